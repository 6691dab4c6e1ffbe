"""Writes the two small tokenizers of test/fixtures/tokenizers: byte-level BPE in the manner of Llama 3,
and BPE with byte fallback and a space marker in the manner of Llama 2. See README.md beside this file."""

import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "A baker sells 12 loaves in the morning and 7 in the afternoon. How many loaves is that in all?",
    "Tom has 3 boxes with 24 pencils each; he gives 15 pencils away, so 3 * 24 - 15 = 57 are left.",
    "The train leaves at 9:30, drives 2 hours at 80 km/h, and arrives (on time!) at 11:30.",
    "It's 5 o'clock: we'll go, they've gone, she's here, don't wait.",
    "Zürich, København, São Paulo, naïve café, Straße; 東京 と 大阪; привет мир; 😀 👍🏽",
    "def add(a, b):\n    return a + b\n\n\tprint(add(1, 2))\n",
    "Each ticket costs 8 dollars, and a family of 4 pays 4 * 8 = 32 dollars for the tickets.",
] * 4

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "tokenizers"
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>\n{{ message.content | trim }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(__import__("tokenizers").Regex(SPLIT), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    special = [AddedToken(text, special=True, normalized=False) for text in ("<s>", "</s>", "<|pad|>")]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", bos)]
    )
    return tokenizer


def byte_fallback():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    latin = [text for text in CORPUS if text.isascii()]
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=450, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(latin, trainer)
    return tokenizer


def write(name, tokenizer, config):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.to_str())
    if name == "byte-fallback":
        # Trained as special so that they got the low ids; in use they are plain vocabulary.
        content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


write("byte-level", byte_level(), {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": TEMPLATE})
write("byte-fallback", byte_fallback(), {"bos_token": "<s>", "eos_token": "</s>"})
