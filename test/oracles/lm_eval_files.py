"""Stores the files that lm_eval writes for a three-question data set, plain and as a chat.

    pip install "lm_eval[api]"
    python test/oracles/lm_eval_files.py

A mock server answers each question of test/fixtures/eval/tiny with a fixed text. Written beside it:
samples-plain.jsonl and samples-chat.jsonl as they are, results-*.json without facts of the machine.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

here = os.path.dirname(os.path.abspath(__file__))
folder = f"{here}/../fixtures/eval/tiny"
replies = {"café": " 15 * 8 = 120\n#### 120", "tank": " It is 2250.\u2028", "noon": " \u22125 or -5\n#### 5\n"}
kept = ["results", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples", "task_hashes"]
runs = {
    "plain": ["--model", "local-completions"],
    "chat": ["--model", "local-chat-completions", "--apply_chat_template", "--fewshot_as_multiturn", "true"],
}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        question = text.rpartition("Question: ")[2]
        reply = next(reply for word, reply in replies.items() if word in question)
        data = json.dumps({"choices": [{"index": 0, "text": reply, "message": {"content": reply}}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, flags in runs.items():
        path = "completions" if name == "plain" else "chat/completions"
        url = f"http://127.0.0.1:{server.server_address[1]}/v1/{path}"
        with tempfile.TemporaryDirectory() as out:
            subprocess.run(
                [sys.executable, f"{here}/lm_eval_offline.py", "--data", folder, *flags]
                + ["--tasks", "gsm8k", "--num_fewshot", "3", "--output_path", out, "--log_samples"]
                + ["--model_args", f"model=mock,base_url={url},tokenizer_backend=None"],
                check=True,
            )
            (samples,) = glob.glob(f"{out}/*/samples_gsm8k_*.jsonl")
            (results,) = glob.glob(f"{out}/*/results_*.json")
            with open(samples, encoding="utf-8") as source, open(f"{folder}/samples-{name}.jsonl", "w") as target:
                target.write(source.read())
            with open(results, encoding="utf-8") as source:
                document = json.load(source)
            with open(f"{folder}/results-{name}.json", "w") as target:
                json.dump({key: document[key] for key in kept}, target, indent=2)
                target.write("\n")


if __name__ == "__main__":
    main()
