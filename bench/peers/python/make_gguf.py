"""A GGUF file in BF16 with random weights in the shape of a quantlab dummy model, and a made-up
vocabulary of the right size. Usage: make_gguf.py SHAPE FILE   (needs numpy and gguf)"""

import sys

import gguf
import numpy

from shapes import SHAPES, random_bf16, tensor_shapes

GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    """model.layers.3.mlp.up_proj.weight becomes blk.3.ffn_up.weight."""
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[rest.removesuffix('.weight')]}.weight"


def vocabulary(size):
    """The 256 byte characters of GPT-2's alphabet first, then names that no text holds."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_tokens = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    return byte_tokens + [f"<t{i}>" for i in range(256, size)]


def write(shape_name, path):
    shape = SHAPES[shape_name]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"random {shape_name}")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_vocab_size(shape["vocab"])
    writer.add_context_length(shape["positions"])
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["intermediate"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head_dim"])
    writer.add_value_length(shape["head_dim"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_rope_freq_base(shape["rope_theta"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary(shape["vocab"]))
    writer.add_token_types([gguf.TokenType.NORMAL] * shape["vocab"])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(shape["eos"])
    rng = numpy.random.default_rng(0)
    for name, size in tensor_shapes(shape):
        if len(size) == 1:
            writer.add_tensor(gguf_name(name), numpy.ones(size, numpy.float32))
            continue
        # As bytes: numpy has no BF16.
        bits = random_bf16(numpy, rng, size).view(numpy.uint8)
        writer.add_tensor(gguf_name(name), bits, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
