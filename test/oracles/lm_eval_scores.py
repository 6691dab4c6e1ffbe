"""Has lm_eval score thousands of odd responses and stores what it made of them.

    pip install "lm_eval[api]"
    python test/oracles/lm_eval_scores.py --data FOLDER --out test/fixtures/eval/lm-eval-scores.jsonl.gz

A mock server answers lm_eval's `local-completions` client with texts made from the gold answers of
FOLDER/test.jsonl by seeded changes (numbers in every spelling, separators, marks, several answers,
none, noise). lm_eval runs its own `gsm8k` task on them twice, with two seeds. Each line of the
result: response, gold number, and under both filters what lm_eval extracted and scored.
"""

import argparse
import glob
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lm_eval

filters = ("strict-match", "flexible-extract")


def spellings(gold: str, rng: random.Random) -> str:
    value = gold.replace(",", "")
    grouped = f"{int(value):,}" if re.fullmatch(r"-?\d+", value) else gold
    near = str(int(value) + rng.choice([-10, -1, 1, 2, 10])) if value.lstrip("-").isdigit() else "7"
    return rng.choice(
        [gold, gold, gold, value, grouped, f"${value}", f"{value}.", f"{value}.00", f"{value}%", near]
        + [f"-{value}", f"{value},", f"{value}...", f"$ {value}", f"{value} apples", f"({value})"]
        + [f"0{value}", f"+{value}", f"{value}-{near}", f"{near}/{value}", "ten", "", f"{value}e0"]
        + ["".join(chr(0xFF10 + int(d)) if d.isdigit() else d for d in value), f"\u2212{value}"]
    )


def noise(rng: random.Random) -> str:
    letters = " #$0123456789.,-\n%=<>aB#\r\t\u00a0\u2028\u0660"
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, 40)))


def respond(answer: str, rng: random.Random) -> str:
    steps, _, gold = answer.rpartition("\n#### ")
    number = spellings(gold, rng)
    lines = steps.split("\n")
    short = "\n".join(lines[: rng.randint(0, len(lines))])
    form = rng.randrange(16)
    if form < 5:
        return f" {short}\n#### {number}"
    if form < 7:
        return f" {short}\n#### {number}\n{rng.choice(['', noise(rng), 'That is 3 more.'])}"
    forms = {
        7: f"{short}\n#### {number}\n#### {spellings(gold, rng)}",
        8: f"{short}\n####{number}",
        9: f"{short}\n####  {number}",
        10: f" The answer is {number}",
        11: f" So it is {number}. {noise(rng)}",
        12: noise(rng),
        13: f" {short}",
        14: f" {answer}"[: rng.randint(0, len(answer))],
        15: f"{noise(rng)}#### {noise(rng)}",
    }
    return forms[form]


def serve(problems: list[dict], seed: int) -> ThreadingHTTPServer:
    by_question = {p["question"]: p["answer"] for p in problems}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
            choices = []
            for index, prompt in enumerate(prompts):
                question = prompt.rpartition("Question: ")[2].removesuffix("\nAnswer:")
                rng = random.Random(f"{seed} {question}")
                choices.append({"index": index, "text": respond(by_question[question], rng)})
            data = json.dumps({"choices": choices}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(data: str, seed: int) -> list[dict]:
    with open(f"{data}/test.jsonl", encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    server = serve(problems, seed)
    url = f"http://127.0.0.1:{server.server_address[1]}/v1/completions"
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, f"{here}/lm_eval_offline.py", "--data", data]
            + ["--model", "local-completions", "--tasks", "gsm8k", "--num_fewshot", "1"]
            + ["--model_args", f"model=mock,base_url={url},tokenizer_backend=None,num_concurrent=8"]
            + ["--output_path", out, "--log_samples"],
            check=True,
        )
        (path,) = glob.glob(f"{out}/*/samples_gsm8k_*.jsonl")
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().split("\n") if line]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    lines = []
    for seed in (1, 2):
        docs: dict[int, dict] = {}
        for row in run(arguments.data, seed):
            gold = row["target"].rpartition("#### ")[2]
            doc = docs.setdefault(row["doc_id"], {"response": row["resps"][0][0], "gold": gold})
            doc[row["filter"]] = [row["filtered_resps"][0], int(row["exact_match"])]
        lines += [json.dumps([d["response"], d["gold"], *d[filters[0]], *d[filters[1]]]) for d in docs.values()]
    os.makedirs(os.path.dirname(arguments.out), exist_ok=True)
    # No time stamp, so that the same responses give the same file.
    with open(arguments.out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(("\n".join(lines) + "\n").encode("utf-8"))
    print(f"{len(lines)} responses scored by lm_eval {lm_eval.__version__}")


if __name__ == "__main__":
    main()
