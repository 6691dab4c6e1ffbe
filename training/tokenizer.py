"""Trains the byte-level BPE tokenizer of gsm-tiny on generated problems; see README.md beside this file."""

import argparse
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"
# Words with the space before them, one token a digit, runs of signs with the space before them, white space.
SPLIT = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'assistant' %} {{ message.content }}\n\n"
    "{% elif 'Answer:' in message.content %}{{ message.content }}"
    "{% else %}Question: {{ message.content }}\nAnswer:{% endif %}{% endfor %}"
)


def text_of(line):
    item = json.loads(line)
    return f"Question: {item['question']}\nAnswer: {item['answer']}\n\n"


def train(lines, vocabulary):
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(END, special=True, normalized=False)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(text_of, lines), trainer)
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", required=True, help="JSONL of training/generate.mjs --split train")
    parser.add_argument("--count", type=int, default=100_000, help="problems to learn merges from")
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--out", required=True, help="folder for tokenizer.json and tokenizer_config.json")
    arguments = parser.parse_args()
    with open(arguments.problems, encoding="utf8") as file:
        lines = [line for line, _ in zip(file, range(arguments.count))]
    tokenizer = train(lines, arguments.vocabulary)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": END,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        "chat_template": CHAT_TEMPLATE,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf8")
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
