"""A Hugging Face folder in BF16 with random weights in the shape of a quantlab dummy model.
Usage: make_hf.py SHAPE FOLDER [awq]   (needs torch and safetensors)

With awq there are no weights, only a config.json that names AWQ with groups of 128 (64 where the hidden
size asks for it): for an engine that fills dummy weights itself."""

import json
import sys
from pathlib import Path

from shapes import SHAPES, tensor_shapes


def config_of(shape, awq):
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape["hidden"],
        "intermediate_size": shape["intermediate"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv_heads"],
        "head_dim": shape["head_dim"],
        "vocab_size": shape["vocab"],
        "max_position_embeddings": shape["positions"],
        "rope_theta": shape["rope_theta"],
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": shape["eos"],
        "torch_dtype": "bfloat16",
    }
    if awq:
        group = 128 if shape["hidden"] % 128 == 0 else 64
        config["quantization_config"] = {
            "quant_method": "awq",
            "bits": 4,
            "group_size": group,
            "zero_point": True,
            "version": "gemm",
        }
    return config


def write_tokenizer(path):
    """The least that exporters accept: one token for each byte, no merges; prompts are token ids here."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(alphabet)},
            "merges": [],
        },
    }
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 131072}
    (path / "tokenizer_config.json").write_text(json.dumps(named))


def main(shape_name, folder, awq):
    shape = SHAPES[shape_name]
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config_of(shape, awq), indent=2))
    (path / "generation_config.json").write_text("{}")
    if awq:
        return
    write_tokenizer(path)
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {}
    for name, size in tensor_shapes(shape):
        weight = torch.ones(size) if len(size) == 1 else torch.randn(size) * 0.02
        tensors[name] = weight.to(torch.bfloat16)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "awq" in sys.argv[3:])
