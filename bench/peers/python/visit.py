"""What the Python contenders share: the request, prompts, and one JSON line for each result."""

import json
import random
import sys
import time


class Request:
    """The cells to measure, as bench/peers/python-peers.mjs asks for them."""

    def __init__(self):
        asked = json.loads(sys.argv[1])
        self.model = asked["model"]
        self.format = asked["format"]
        self.group = asked["group"]
        self.threads = asked["threads"]
        self.lengths = asked["lengths"]
        with open(f"{self.model}/config.json", encoding="utf-8") as file:
            self.vocab = json.load(file)["vocab_size"]
        self._random = random.Random(1)

    def prompt(self, length):
        """Tokens that no other prompt begins with, so that nothing is found in a cache."""
        return [self._random.randrange(300, self.vocab - 10) for _ in range(length)]


def report(cell, value):
    print(json.dumps({"cell": cell, "value": value}), flush=True)


def measure(request, engine):
    """Runs the request's group on an engine, or all groups in turn.

    `engine.fill(prompts, steps)` computes prompts until each has its first token and leaves them running,
    `engine.steps(n)` generates n more for each, `engine.drop()` ends them.
    """
    engine.fill([request.prompt(64)], 8)
    engine.steps(4)
    engine.drop()
    groups = ("single", "batch", "long") if request.group == "all" else (request.group,)
    for group in groups:
        _measure_group(request, engine, group)


def _measure_group(request, engine, group):
    lengths = request.lengths
    if group == "single":
        _decode(engine, [request.prompt(1)], lengths["decodeTokens"], "decode 1")
        seconds = _timed(lambda: engine.fill([request.prompt(lengths["promptTokens"])], 2))
        engine.drop()
        report("prefill 512", lengths["promptTokens"] / seconds)
        report("TTFT 512", seconds * 1e3)
    elif group == "batch":
        for batch in (16, 64):
            prompts = [request.prompt(lengths["batchPrompt"]) for _ in range(batch)]
            try:
                _decode(engine, prompts, lengths["batchSteps"], f"decode {batch}")
            except Exception as error:  # A library may refuse a batch; its other cells stand.
                print(json.dumps({"cell": f"decode {batch}", "reason": str(error)}), flush=True)
    else:
        size = lengths["contextPrompt"]
        steps = lengths["contextSteps"]
        prompts = [request.prompt(size)]
        seconds = _timed(lambda: engine.fill(prompts, steps + 2))
        report(f"prefill {size}", size / seconds)
        report(f"decode 1 at {size}", steps / _timed(lambda: engine.steps(steps)))
        engine.drop()


def _decode(engine, prompts, steps, cell):
    engine.fill(prompts, steps + 2)
    report(cell, len(prompts) * steps / _timed(lambda: engine.steps(steps)))
    engine.drop()


def _timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
