"""Greedy exact match on files in GSM8K's schema: lm-evaluation-harness's prompts, shots, stop and scores."""

import argparse
import json
import random
import re

import torch
from llama import Llama
from safetensors.torch import load_file
from tokenizers import Tokenizer

END = 0
STOP = "Question:"
NEW_TOKENS = 256
FEWSHOT_SEED = 1234


class Cache:
    """Keys and values of one layer. Each sequence writes at its own position; a slot that holds padding
    is overwritten before a query may look at it."""

    def __init__(self, batch, heads, slots, dim, dtype, device):
        self.k = torch.zeros(batch, heads, slots, dim, dtype=dtype, device=device)
        self.v = torch.zeros_like(self.k)
        self.positions = None

    def update(self, k, v):
        if self.positions is None:  # prefill: all rows from 0, causal
            self.k[:, :, : k.shape[2]] = k
            self.v[:, :, : v.shape[2]] = v
            return k, v, None
        row = torch.arange(k.shape[0], device=k.device)
        self.k[row, :, self.positions] = k[:, :, 0]
        self.v[row, :, self.positions] = v[:, :, 0]
        used = int(self.positions.max()) + 1
        mask = torch.arange(used, device=k.device) <= self.positions[:, None]
        return self.k[:, :, :used], self.v[:, :, :used], mask[:, None, None]


@torch.no_grad()
def generate(model, prompts, stop_id, device):
    """Greedy ids after each prompt, up to END or the token that begins the next question."""
    config = model.config
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    ids = ids.to(device)
    slots = min(longest + NEW_TOKENS, config["max_position_embeddings"])
    dtype = model.model.embed_tokens.weight.dtype
    shape = (len(prompts), config["num_key_value_heads"], slots, config["head_dim"])
    caches = [Cache(*shape, dtype, device) for _ in model.model.layers]
    hidden = model.hidden(ids, None, caches)[torch.arange(len(prompts), device=device), lengths - 1]
    out, done = [], torch.zeros(len(prompts), dtype=torch.bool, device=device)
    for step in range(NEW_TOKENS):
        token = model.logits(hidden).argmax(-1)
        out.append(token)
        done |= (token == END) | (token == stop_id)
        if bool(done.all()) or step + 1 == NEW_TOKENS:
            break
        positions = lengths + step
        for cache in caches:
            cache.positions = positions
        hidden = model.hidden(token[:, None], positions[:, None], caches)[:, 0]
    return torch.stack(out, 1).tolist()


def few_shot_prompts(items, pool, shots):
    """The prompts of lm_eval's task gsm8k: one generator, one draw for each question."""
    draw = random.Random(FEWSHOT_SEED)
    for item in items:
        examples = draw.sample(pool, shots) if shots > 0 else []
        text = "".join(f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\n" for shot in examples)
        yield f"{text}Question: {item['question']}\nAnswer:"


def plain(text):
    return re.sub(r",|\$|(?s:.*#### )|\.$", "", text).lower()


def scores(response, gold):
    """(strict-match, flexible-extract) exact match."""
    strict = re.search(r"#### (\-?[0-9\.\,]+)", response)
    numbers = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", response)
    flexible = "".join(numbers[-1]) if numbers else "[invalid]"
    target = plain(gold)
    return strict is not None and plain(strict[1]) == target, plain(flexible) == target


def read(path):
    with open(path, encoding="utf8") as file:
        return [json.loads(line) for line in file]


def evaluate(model, tokenizer, items, pool, shots, device, batch=1400):
    """Figures of one set, and one record a question."""
    prompts = [tokenizer.encode(text).ids for text in few_shot_prompts(items, pool, shots)]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    stop_id = tokenizer.token_to_id("Question")
    records = [None] * len(items)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        outputs = generate(model, [prompts[i] for i in chosen], stop_id, device)
        for i, ids in zip(chosen, outputs):
            ids = ids[: ids.index(END)] if END in ids else ids
            response = tokenizer.decode(ids, skip_special_tokens=False).split(STOP)[0]
            strict, flexible = scores(response, items[i]["answer"])
            records[i] = {"doc_id": i, "response": response, "strict": strict, "flexible": flexible}
    return {
        "n": len(items),
        "shots": shots,
        "strict": sum(record["strict"] for record in records),
        "flexible": sum(record["flexible"] for record in records),
        "longest_prompt": max(map(len, prompts)),
    }, records


def load_model(folder, dtype, device):
    with open(f"{folder}/config.json", encoding="utf8") as file:
        model = Llama(json.load(file))
    model.load_state_dict(load_file(f"{folder}/model.safetensors"))
    model.to(dtype)
    return model.eval().to(device)


def evaluate_all(model, tokenizer, data, device, limit=None):
    """Every set but the one that shots come from, 8-shot and 0-shot."""
    pool = read(f"{data}/train.jsonl")
    for name in ("test", "larger", "held-out"):
        items = read(f"{data}/{name}.jsonl")[:limit]
        for shots in (8, 0):
            figures, records = evaluate(model, tokenizer, items, pool, shots, device)
            yield {"set": name, **figures}, records


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder with config.json, model.safetensors, tokenizer.json")
    parser.add_argument("--data", required=True, help="folder of gsm-synth")
    parser.add_argument("--out", help="JSONL of responses")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"))
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(arguments.model, getattr(torch, arguments.dtype), device)
    tokenizer = Tokenizer.from_file(f"{arguments.model}/tokenizer.json")
    results = evaluate_all(model, tokenizer, arguments.data, device, arguments.limit)
    for figures, records in results:
        print(json.dumps(figures), flush=True)
        if arguments.out:
            with open(arguments.out, "a", encoding="utf8") as file:
                for record in records:
                    file.write(json.dumps({"set": figures["set"], "shots": figures["shots"], **record}) + "\n")


if __name__ == "__main__":
    main()
