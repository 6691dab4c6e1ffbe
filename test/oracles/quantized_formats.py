"""Oracles of the number formats: what compressed-tensors, AutoAWQ and torch make of the same bytes.

  python quantized_formats.py theirs   matrices that they quantize and write: fixtures/formats/theirs.safetensors
  python quantized_formats.py ours     decompresses fixtures/formats/ours.safetensors, which we wrote
  python quantized_formats.py casts    E4M3 casts of every BF16 pattern

Needs torch, safetensors, numpy, compressed-tensors and autoawq; see README.md beside this file. The
results are SHA-256 digests in fixtures/formats/expected.json, under the name of the command.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import sys
import types

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import load_file, save_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "formats"


def digest(tensor):
    return hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def record(command, value):
    path = FIXTURES / "expected.json"
    expected = json.loads(path.read_text()) if path.exists() else {}
    packages = ("torch", "compressed-tensors", "autoawq")
    expected["versions"] = {name: importlib.metadata.version(name) for name in packages}
    expected[command] = value
    path.write_text(json.dumps(expected, indent=2, sort_keys=True) + "\n")


def scheme_of(options):
    """The scheme that a case of ours, or one of CASES, stands for, and the compressor's name."""
    if "num_bits" in options:
        weights = QuantizationArgs(**options)
    elif options["format"] == "awq":
        weights = QuantizationArgs(
            num_bits=4, type="int", strategy="group", group_size=options["groupSize"],
            symmetric=options.get("symmetric", False),
        )
    elif options["format"] == "int8":
        weights = QuantizationArgs(num_bits=8, type="int", strategy="channel", symmetric=True)
    else:
        strategy = options["granularity"]
        block = {"block_structure": [128, 128]} if strategy == "block" else {}
        weights = QuantizationArgs(num_bits=8, type="float", strategy=strategy, symmetric=True, **block)
    if weights.num_bits == 4:
        return QuantizationScheme(targets=["Linear"], weights=weights), "pack-quantized"
    name = "float-quantized" if weights.type == "float" else "int-quantized"
    return QuantizationScheme(targets=["Linear"], weights=weights), name


def reduce_range(weight, args):
    """Smallest and largest value of what shares a scale, in the shape of the scales."""
    rows, columns = weight.shape
    if args.strategy == "tensor":
        return weight.min().reshape(1), weight.max().reshape(1)
    if args.strategy == "channel":
        return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    if args.strategy == "group":
        groups = weight.reshape(rows, columns // args.group_size, args.group_size)
        return groups.amin(2), groups.amax(2)
    padded = torch.nn.functional.pad(weight, (0, -columns % 128, 0, -rows % 128))
    blocks = padded.reshape(padded.shape[0] // 128, 128, padded.shape[1] // 128, 128)
    return blocks.amin((1, 3)), blocks.amax((1, 3))


CASES = {
    "int4-asymmetric-64": dict(num_bits=4, type="int", strategy="group", group_size=64, symmetric=False),
    "int4-symmetric-128": dict(num_bits=4, type="int", strategy="group", group_size=128, symmetric=True),
    "fp8-channel": dict(num_bits=8, type="float", strategy="channel", symmetric=True),
    "fp8-tensor": dict(num_bits=8, type="float", strategy="tensor", symmetric=True),
    "fp8-block": dict(num_bits=8, type="float", strategy="block", block_structure=[128, 128], symmetric=True),
    "int8-channel": dict(num_bits=8, type="int", strategy="channel", symmetric=True),
}


def theirs():
    torch.manual_seed(20)
    tensors, expected = {}, {}
    for name, options in CASES.items():
        scheme, compressor = scheme_of(options)
        dtype = torch.float16 if name == "int4-symmetric-128" else torch.bfloat16
        weight = (torch.randn(136, 256) * 0.04).to(dtype)
        scale, zero = calculate_qparams(*reduce_range(weight, scheme.weights), scheme.weights)
        state = {"weight": weight, "weight_scale": scale}
        if scheme.weights.num_bits == 4 or not scheme.weights.symmetric:
            state["weight_zero_point"] = zero
        implementation = BaseCompressor.get_value_from_registry(compressor)
        compressed = implementation.compress(state, scheme)
        restored = implementation.decompress(compressed, scheme)["weight"]
        expected[name] = {"dtype": str(restored.dtype).removeprefix("torch."), "sha256": digest(restored)}
        for key, tensor in compressed.items():
            tensors[f"{name}.{key}"] = tensor.contiguous()
    tensors.update(autoawq(expected))
    save_file(tensors, FIXTURES / "theirs.safetensors", metadata={"format": "pt"})
    record("theirs", expected)


def load_awq_file(path):
    """One file of AutoAWQ: its package imports transformers of an older age."""
    package = pathlib.Path(importlib.metadata.distribution("autoawq").locate_file("awq"))
    name = "awq." + path.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, package / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def autoawq(expected):
    """A linear as AutoAWQ packs it, and its own dequantization."""
    for name in ("awq", "awq.utils", "awq.modules", "awq.modules.linear", "awq.modules.triton"):
        sys.modules.setdefault(name, types.ModuleType(name)).__path__ = []
    load_awq_file("utils/module.py")
    load_awq_file("utils/utils.py")
    packing = load_awq_file("utils/packing_utils.py")
    gemm = load_awq_file("modules/linear/gemm.py")
    group = 64
    weight = (torch.randn(64, 192) * 0.04).half()
    groups = weight.reshape(-1, group)
    high, low = groups.amax(1, keepdim=True), groups.amin(1, keepdim=True)
    scales = (high - low).clamp(min=1e-5) / 15
    zeros = (-torch.round(low / scales)).clamp_(0, 15)
    rounded = ((torch.clamp(torch.round(groups / scales) + zeros, 0, 15) - zeros) * scales).reshape(weight.shape)
    linear = torch.nn.Linear(192, 64, bias=False).half()
    linear.weight.data = rounded
    shape = (64, 192 // group)
    packed = gemm.WQLinear_GEMM.from_linear(
        linear, 4, group,
        scales=scales.reshape(shape).t().contiguous(), zeros=zeros.reshape(shape).t().contiguous(),
    )
    restored = packing.dequantize_gemm(packed.qweight, packed.qzeros, packed.scales, 4, group).t()
    expected["autoawq-64"] = {"dtype": "float16", "sha256": digest(restored)}
    return {f"autoawq-64.{key}": getattr(packed, key) for key in ("qweight", "qzeros", "scales")}


def ours():
    """What compressed-tensors makes of checkpoints we wrote: as stored, and with FP32 scales."""
    tensors = load_file(FIXTURES / "ours.safetensors")
    cases = json.loads((FIXTURES / "ours.json").read_text())
    expected = {}
    for name, options in cases.items():
        scheme, compressor = scheme_of(options)
        state = {key.removeprefix(name + "."): value for key, value in tensors.items() if key.startswith(name + ".")}
        state.pop("input_scale", None)
        implementation = BaseCompressor.get_value_from_registry(compressor)
        stored = implementation.decompress(state, scheme)["weight"]
        exact = implementation.decompress({**state, "weight_scale": state["weight_scale"].float()}, scheme)["weight"]
        expected[name] = {
            "dtype": str(stored.dtype).removeprefix("torch."),
            "sha256": digest(stored),
            "exact": digest(exact),
        }
        assert exact.dtype == torch.float32
    record("ours", expected)


def casts():
    """Digests of the E4M3 byte of each BF16 pattern; NaN written as 7F whatever its sign."""
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    nan = patterns.isnan()
    plain = patterns.to(torch.float8_e4m3fn).view(torch.uint8)
    # vLLM's order: the value in FP32, clamped to the format's range, then cast.
    clamped = patterns.float().clamp(-448, 448).to(torch.float8_e4m3fn).view(torch.uint8)
    seven_f = torch.tensor(0x7F, dtype=torch.uint8)
    record("casts", {
        "clampThenCast": digest(torch.where(nan, seven_f, clamped)),
        "torchCast": digest(plain),
        "values": digest(torch.arange(256, dtype=torch.uint8)[:127].view(torch.float8_e4m3fn).float()),
    })


if __name__ == "__main__":
    {"theirs": theirs, "ours": ours, "casts": casts}[sys.argv[1]]()
