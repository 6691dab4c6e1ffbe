"""lm_eval's own command line, with GSM8K read from local files instead of the Hub.

    pip install "lm_eval[api]"
    python test/oracles/lm_eval_offline.py --data FOLDER [arguments of lm_eval ...]

FOLDER holds train.jsonl and test.jsonl. Nothing else of lm_eval is replaced: its task file, prompt
building, sampler, API client, filters, metrics and files are its own.
"""

import sys

import datasets

names = ("gsm8k", "openai/gsm8k")


def main() -> None:
    at = sys.argv.index("--data")
    folder = sys.argv[at + 1]
    del sys.argv[at : at + 2]
    load = datasets.load_dataset

    def load_local(path=None, name=None, **options):
        if path not in names:
            return load(path, name, **options)
        files = {split: f"{folder}/{split}.jsonl" for split in ("train", "test")}
        return load("json", data_files=files)

    datasets.load_dataset = load_local
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
