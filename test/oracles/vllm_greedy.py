"""Greedy answers of two running OpenAI-compatible servers to the same prompts, compared token by token.

Needs no package. Start both on the same checkpoint, for example:
  node bin/quantlab.js quantize --model bundled --format awq --out awq
  node bin/quantlab.js serve --model awq --port 8001
  vllm serve awq --port 8002 --dtype bfloat16 --max-model-len 1024
  python test/oracles/vllm_greedy.py http://127.0.0.1:8001 http://127.0.0.1:8002 \
      models/gsm-tiny/gsm-synth/larger.jsonl
Where they part, the two best candidates of each server and their log-probabilities are printed: a gap
below the noise of BF16 sums explains a difference, a wide one is a bug.
"""

import json
import sys
import urllib.request

PROMPTS = 20
MAX_TOKENS = 96


def get(url):
    return json.load(urllib.request.urlopen(url, timeout=60))


def complete(base, model, prompt):
    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "logprobs": 2,
        "stop": ["\n\n"],
    }
    request = urllib.request.Request(
        f"{base}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request, timeout=60))["choices"][0]


def main():
    bases = sys.argv[1:3]
    models = [get(f"{base}/v1/models")["data"][0]["id"] for base in bases]
    with open(sys.argv[3], encoding="utf-8") as file:
        questions = [json.loads(line)["question"] for line in file][:PROMPTS]
    same = 0
    for number, question in enumerate(questions):
        prompt = f"Question: {question}\nAnswer:"
        ours, theirs = (complete(base, model, prompt) for base, model in zip(bases, models))
        if ours["text"] == theirs["text"]:
            same += 1
            continue
        pairs = zip(ours["logprobs"]["tokens"], theirs["logprobs"]["tokens"])
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        print(f"prompt {number}: first difference at token {at}")
        if at is not None:
            print("  ours:  ", ours["logprobs"]["top_logprobs"][at])
            print("  theirs:", theirs["logprobs"]["top_logprobs"][at])
    print(f"{same} of {len(questions)} answers are the same")


main()
