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
# Prompts tried per family; the one whose greedy choices are clearest is kept.
CANDIDATES = 64

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
                value = 4 + noise
            elif name.endswith("norm.weight"):
                value = 1 + 0.2 * noise
            elif name.endswith(".bias"):
                value = 0.5 * noise
            else:
                # A larger embedding would, as a tied head, only find the last token again.
                value = noise / parameter.shape[-1] ** 0.5
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    # What blocks add grows with their number: scaled down by (2 x layers)^-1/2, as GPT-2 begins.
                    value /= (2 * SIZE["num_hidden_layers"]) ** 0.5
            parameter.copy_(value.to(torch.bfloat16).float())


def greedy(model, prompt):
    """Greedy tokens, without a cache, and the smallest lead of a chosen token over the next best."""
    tokens = list(prompt)
    lead = float("inf")
    for _ in range(GREEDY_TOKENS):
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1].float()
        best = torch.topk(logits, 2)
        lead = min(lead, (best.values[0] - best.values[1]).item())
        tokens.append(int(torch.argmax(logits)))
    return tokens[len(prompt) :], lead


def clearest_prompt(model16, model32):
    """The prompt whose choices no rounding can turn: a tie would test luck, not the model."""
    generator = torch.Generator().manual_seed(1)
    best = None
    for _ in range(CANDIDATES):
        prompt = torch.randint(3, SIZE["vocab_size"], (PROMPT_TOKENS,), generator=generator).tolist()
        tokens, lead = greedy(model16, prompt)
        if len(set(tokens)) <= 8:
            continue
        tokens32, lead32 = greedy(model32, prompt)
        lead = min(lead, lead32)
        if tokens == tokens32 and (best is None or lead > best[2]):
            best = (prompt, tokens, lead)
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
    prompt, tokens, lead = clearest_prompt(half, model)
    with torch.no_grad():
        logits = half(torch.tensor([prompt])).logits[0]
        logits32 = model(torch.tensor([prompt])).logits[0]
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    half.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # The last positions: the deepest contexts.
    kept = 8
    golden = {
        "writtenBy": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "prompt": prompt,
        "greedyTokens": tokens,
        "smallestLead": round(lead, 4),
        "firstLogitRow": PROMPT_TOKENS - kept,
        "logitsBf16": encode(logits[-kept:]),
        "logitsFp32": encode(logits32[-kept:]),
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    cosine = torch.nn.functional.cosine_similarity(logits.float(), logits32, dim=-1).min().item()
    print(f"{name}: smallest lead {lead:.3f}, BF16 against FP32 cosine {cosine:.6f}")


if __name__ == "__main__":
    for family in sys.argv[1:] or FAMILIES:
        write(family, seed=7)
