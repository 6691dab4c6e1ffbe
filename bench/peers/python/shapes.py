"""Shapes of quantlab's dummy models, as `quantlab inspect dummy:NAME` tells them."""

SHAPES = {
    "tiny": dict(
        hidden=128, intermediate=256, layers=2, heads=4, kv_heads=2, head_dim=32, vocab=512,
        positions=2048, rope_theta=10000.0, eos=257,
    ),
    "smollm2-135m": dict(
        hidden=576, intermediate=1536, layers=30, heads=9, kv_heads=3, head_dim=64, vocab=49152,
        positions=8192, rope_theta=100000.0, eos=2,
    ),
    "llama-3.2-1b": dict(
        hidden=2048, intermediate=8192, layers=16, heads=32, kv_heads=8, head_dim=64, vocab=128256,
        positions=131072, rope_theta=500000.0, eos=128001,
    ),
}  # fmt: skip


def tensor_shapes(shape):
    """(name in a Hugging Face checkpoint, rows, columns) of every matrix, and (name, size) of norms."""
    hidden, inner = shape["hidden"], shape["intermediate"]
    q, kv = shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    yield "model.embed_tokens.weight", (shape["vocab"], hidden)
    yield "model.norm.weight", (hidden,)
    for i in range(shape["layers"]):
        block = f"model.layers.{i}"
        yield f"{block}.input_layernorm.weight", (hidden,)
        yield f"{block}.self_attn.q_proj.weight", (q, hidden)
        yield f"{block}.self_attn.k_proj.weight", (kv, hidden)
        yield f"{block}.self_attn.v_proj.weight", (kv, hidden)
        yield f"{block}.self_attn.o_proj.weight", (hidden, q)
        yield f"{block}.post_attention_layernorm.weight", (hidden,)
        yield f"{block}.mlp.gate_proj.weight", (inner, hidden)
        yield f"{block}.mlp.up_proj.weight", (inner, hidden)
        yield f"{block}.mlp.down_proj.weight", (hidden, inner)


def random_bf16(numpy, rng, size, std=0.02):
    """BF16 bits, rounded to nearest even, of N(0, std^2); ones for a norm."""
    values = rng.standard_normal(size, dtype=numpy.float32) * numpy.float32(std)
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)
