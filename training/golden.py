"""Writes what PyTorch computes with the bundled model, for test/golden/gsm-tiny.test.ts to hold our engine to."""

import argparse
import base64
import json

import torch
from evaluate import few_shot_prompts, generate, load_model, read
from tokenizers import Tokenizer

# Question of the test set and number of shots; the last one is long enough for several prefill chunks.
CASES = [(0, 0), (7, 0), (3, 1), (2, 8)]


def encode(values):
    """FP32, little endian, base64."""
    return base64.b64encode(values.float().contiguous().numpy().astype("<f4").tobytes()).decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    wide = load_model(arguments.model, torch.float32, "cpu")
    half = load_model(arguments.model, torch.bfloat16, "cpu")
    tokenizer = Tokenizer.from_file(f"{arguments.model}/tokenizer.json")
    pool, items = read(f"{arguments.data}/train.jsonl"), read(f"{arguments.data}/test.jsonl")
    cases = []
    for question, shots in CASES:
        text = list(few_shot_prompts(items[: question + 1], pool, shots))[question]
        ids = tokenizer.encode(text).ids
        out = {"text": text, "ids": ids}
        for name, model in (("Fp32", wide), ("Bf16", half)):
            with torch.no_grad():
                out[f"logits{name}"] = encode(model.logits(model.hidden(torch.tensor([ids])))[0, -1])
            greedy = generate(model, [ids], tokenizer.token_to_id("Question"), "cpu")[0]
            out[f"greedy{name}"] = greedy
        if out["greedyFp32"] != out["greedyBf16"]:
            raise SystemExit(f"question {question}: rounding turns a token; choose another")
        out["greedy"] = out.pop("greedyFp32")
        del out["greedyBf16"]
        out["response"] = tokenizer.decode(out["greedy"], skip_special_tokens=False)
        cases.append(out)
    with open(arguments.out, "w", encoding="utf8") as file:
        json.dump({"writtenBy": f"torch {torch.__version__}", "cases": cases}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
