"""Whole checkpoints by llm-compressor: a small random Llama in its W4A16 (AWQ) and FP8 schemes.

  python llm_compressor_models.py [OUT]   writes fixtures/formats/llm-compressor/

Needs llmcompressor, torch and transformers; see README.md beside this file. For every linear the digest of the
weight that compressed-tensors decompresses to is kept, in expected.json; the checkpoints themselves are small
enough to be fixtures.
"""

import hashlib
import importlib.metadata
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

try:
    from llmcompressor.modifiers.awq import AWQModifier
except ImportError:
    from llmcompressor.modifiers.transform.awq import AWQModifier

# Without an accelerator there is nothing to pin memory for, and torch refuses to.
torch.Tensor.pin_memory = lambda self, *_: self

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = dict(
    vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
)


def recipe(name):
    ignored = ["lm_head"]
    if name == "w4a16-awq":
        weights = dict(num_bits=4, type="int", symmetric=False, strategy="group", group_size=32)
        groups = {"group_0": dict(targets=["Linear"], weights=weights)}
        try:
            return AWQModifier(ignore=ignored, config_groups=groups, duo_scaling=True)
        except Exception:
            return [AWQModifier(duo_scaling=True), QuantizationModifier(ignore=ignored, config_groups=groups)]
    scheme = {"fp8-dynamic": "FP8_DYNAMIC", "fp8-static": "FP8", "fp8-block": "FP8_BLOCK"}[name]
    return QuantizationModifier(targets="Linear", scheme=scheme, ignore=ignored)


def model():
    torch.manual_seed(7)
    made = LlamaForCausalLM(LlamaConfig(**CONFIG)).to(torch.bfloat16)
    for parameter in made.parameters():
        if parameter.dim() == 2:
            parameter.data.normal_(0, 0.05)
    return made.eval()


def reloaded(made):
    """The same from a folder: llm-compressor asks a model where it came from."""
    folder = tempfile.mkdtemp()
    made.save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()


def tokenizer():
    """Asked for with any data set, and not used: the data set is of token ids."""
    file = HERE.parent / "fixtures" / "tokenizers" / "byte-level" / "tokenizer.json"
    return PreTrainedTokenizerFast(tokenizer_file=str(file))


def tokens():
    generator = torch.Generator().manual_seed(3)
    rows = torch.randint(0, CONFIG["vocab_size"], (16, 32), generator=generator)
    return Dataset.from_dict({"input_ids": rows.tolist(), "attention_mask": torch.ones_like(rows).tolist()})


def decompressed(folder):
    """Digests of what compressed-tensors makes of the checkpoint, by linear."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationScheme

    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    (group,) = config["config_groups"].values()
    scheme = QuantizationScheme.model_validate({key: value for key, value in group.items() if key != "format"})
    compressor = BaseCompressor.get_value_from_registry(group.get("format") or config["format"])
    state = load_file(folder / "model.safetensors")
    digests = {}
    for name in sorted({key.rsplit(".", 1)[0] for key in state if key.endswith("weight_scale")}):
        parts = {key.removeprefix(name + "."): value for key, value in state.items() if key.startswith(name + ".")}
        parts.pop("input_scale", None)
        # Scales in FP32, so that the product is not rounded to the model's dtype.
        parts["weight_scale"] = parts["weight_scale"].float()
        weight = compressor.decompress(parts, scheme)["weight"].float().contiguous()
        digests[name] = hashlib.sha256(weight.numpy().tobytes()).hexdigest()
    return digests


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    packages = ("llmcompressor", "compressed-tensors", "torch", "transformers")
    expected = {"versions": {name: importlib.metadata.version(name) for name in packages}}
    for name in ("w4a16-awq", "fp8-dynamic", "fp8-static", "fp8-block"):
        made = reloaded(model())
        needs_data = name in ("w4a16-awq", "fp8-static")
        data = dict(dataset=tokens(), num_calibration_samples=16, max_seq_length=32) if needs_data else {}
        oneshot(model=made, processor=tokenizer(), recipe=recipe(name), **data)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            made.save_pretrained(folder, save_compressed=True)
            target = out / name
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            shutil.copy(folder / "config.json", target)
            save_file(load_file(folder / "model.safetensors"), target / "model.safetensors", metadata={"format": "pt"})
            expected[name] = decompressed(target)
    (out / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "fixtures" / "formats" / "llm-compressor")
