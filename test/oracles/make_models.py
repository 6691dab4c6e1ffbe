"""Writes the small random checkpoints of test/fixtures/models, each with the logits and the greedy tokens
that Hugging Face transformers computes from it in BF16. See README.md beside this file."""

import base64
import json
import pathlib
import sys

import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "models"
PROMPT_TOKENS = 24
GREEDY_TOKENS = 32
# Logits are kept of the last positions: the deepest contexts.
KEPT_ROWS = 8
# Prompts tried per family; the one whose greedy choices are clearest is kept.
CANDIDATES = 256
# What blocks add is small beside the embedding, as in trained models: BF16 then stays close to FP32 (cosine
# 0.99996), and a cosine of 0.9999 tells an error from rounding.
EMBEDDING_GAIN = 2
BLOCK_GAIN = 0.25

SIZE = dict(
    vocab_size=256,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    max_position_embeddings=512,
    rms_norm_eps=1e-5,
    bos_token_id=1,
    eos_token_id=2,
)

# Llama 3's scaling with its context divided by 128, so that a few dozen positions reach every branch of it.
LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)


def default_rope(theta):
    return dict(rope_type="default", rope_theta=theta)


FAMILIES = {
    # Scaled RoPE, four query heads to two key heads, the head tied to the embedding.
    "llama-tied": lambda: transformers.LlamaConfig(
        **SIZE, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE
    ),
    # Plain RoPE, as many key heads as query heads, a head of its own.
    "llama-untied": lambda: transformers.LlamaConfig(
        **SIZE,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=False,
        rope_parameters=default_rope(10000.0),
    ),
    # One key head for all queries, no sliding window.
    "mistral": lambda: transformers.MistralConfig(
        **SIZE,
        num_attention_heads=4,
        num_key_value_heads=1,
        sliding_window=None,
        tie_word_embeddings=False,
        rope_parameters=default_rope(1000000.0),
    ),
    # Biases on queries, keys and values.
    "qwen2": lambda: transformers.Qwen2Config(
        **SIZE,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        use_sliding_window=False,
        rope_parameters=default_rope(1000000.0),
    ),
    # A norm on each query and key head; heads wider than hidden size / heads.
    "qwen3": lambda: transformers.Qwen3Config(
        **SIZE,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        tie_word_embeddings=True,
        use_sliding_window=False,
        rope_parameters=default_rope(1000000.0),
    ),
}


def randomize(model, seed):
    """Weights that keep the variance of what they multiply, norms and biases that matter, all of them BF16 values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name == "model.norm.weight":
                # Of both signs: otherwise a tied head finds the last token again, whatever the blocks say.
                value = 4 * noise
            elif name.endswith("norm.weight"):
                value = 1 + 0.2 * noise
            elif name.endswith(".bias"):
                value = 0.5 * noise
            else:
                value = noise / parameter.shape[-1] ** 0.5
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    value *= BLOCK_GAIN
                elif "embed_tokens" in name:
                    value *= EMBEDDING_GAIN
            parameter.copy_(value.to(torch.bfloat16).float())


def greedy(model, prompts):
    """Greedy tokens of each prompt, without a cache, and the smallest lead of a chosen token over the next best."""
    tokens = prompts
    lead = torch.full((len(prompts),), float("inf"))
    for _ in range(GREEDY_TOKENS):
        with torch.no_grad():
            logits = model(tokens).logits[:, -1].float()
        best = torch.topk(logits, 2).values
        lead = torch.minimum(lead, best[:, 0] - best[:, 1])
        tokens = torch.cat([tokens, torch.argmax(logits, -1, keepdim=True)], dim=1)
    return tokens[:, PROMPT_TOKENS:].tolist(), lead.tolist()


def last_logits(model, prompts):
    with torch.no_grad():
        return model(prompts).logits[:, -KEPT_ROWS:].float()


def clearest_prompt(model16, model32):
    """The prompt whose choices no rounding can turn: a tie would test luck, not the model."""
    generator = torch.Generator().manual_seed(1)
    prompts = torch.randint(3, SIZE["vocab_size"], (CANDIDATES, PROMPT_TOKENS), generator=generator)
    cosines = torch.nn.functional.cosine_similarity(last_logits(model16, prompts), last_logits(model32, prompts), dim=-1)
    best = None
    for prompt, cosine, tokens, lead, tokens32, lead32 in zip(
        prompts.tolist(), cosines.min(1).values.tolist(), *greedy(model16, prompts), *greedy(model32, prompts)
    ):
        smallest = min(lead, lead32)
        fits = tokens == tokens32 and len(set(tokens)) > 8 and cosine > 0.99995
        if fits and (best is None or smallest > best[2]):
            best = (prompt, tokens, smallest, cosine)
    if best is None:
        raise SystemExit("no prompt has the same greedy tokens in BF16 and FP32")
    return best


def encode(tensor):
    """FP32, little endian, base64."""
    return base64.b64encode(tensor.float().contiguous().numpy().astype("<f4").tobytes()).decode()


def write(name, seed):
    config = FAMILIES[name]()
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    randomize(model, seed)
    half = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="eager").eval()
    half.load_state_dict(model.state_dict())
    prompt, tokens, lead, cosine = clearest_prompt(half, model)
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    half.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    golden = {
        "writtenBy": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "prompt": prompt,
        "greedyTokens": tokens,
        "smallestLead": round(lead, 4),
        "firstLogitRow": PROMPT_TOKENS - KEPT_ROWS,
        "logitsBf16": encode(last_logits(half, torch.tensor([prompt]))),
        "logitsFp32": encode(last_logits(model, torch.tensor([prompt]))),
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(f"{name}: smallest lead {lead:.3f}, BF16 against FP32 cosine {cosine:.6f}")


if __name__ == "__main__":
    for family in sys.argv[1:] or FAMILIES:
        write(family, seed=7)
