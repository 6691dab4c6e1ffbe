"""Turns generated problems into token ids for train.py: one flat array of ids and, for every problem,
how many of them are question and how many are answer."""

import argparse
import json
import multiprocessing
import os

import numpy as np
from tokenizers import Tokenizer

BATCH = 10_000
tokenizer: Tokenizer


def parts_of(line):
    item = json.loads(line)
    return f"Question: {item['question']}\nAnswer:", f" {item['answer']}"


def start_worker(path):
    global tokenizer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer.from_file(path)


def encode(lines):
    """Ids of some problems end to end, and the lengths of their questions and answers."""
    parts = [parts_of(line) for line in lines]
    questions = tokenizer.encode_batch_fast([question for question, _ in parts])
    answers = tokenizer.encode_batch_fast([answer for _, answer in parts])
    ids, lengths = [], []
    for question, answer in zip(questions, answers):
        ids += question.ids + answer.ids
        lengths.append((len(question.ids), len(answer.ids)))
    return np.array(ids, dtype=np.uint16), np.array(lengths, dtype=np.uint16)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", required=True, help="JSONL of training/generate.mjs")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json")
    parser.add_argument("--out", required=True, help="prefix: PREFIX.ids.npy and PREFIX.lengths.npy")
    arguments = parser.parse_args()
    with open(arguments.problems, encoding="utf8") as file:
        lines = file.readlines()
    chunks = (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))
    with multiprocessing.Pool(initializer=start_worker, initargs=(arguments.tokenizer,)) as pool:
        parts = list(pool.imap(encode, chunks))
    ids = np.concatenate([part for part, _ in parts])
    np.save(f"{arguments.out}.ids.npy", ids)
    np.save(f"{arguments.out}.lengths.npy", np.concatenate([part for _, part in parts]))
    print(f"{len(lines)} problems, {len(ids)} tokens")


if __name__ == "__main__":
    main()
