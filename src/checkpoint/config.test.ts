import { describe, expect, it } from "vitest";
import { parseModelConfig } from "./config.ts";

const base = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  vocab_size: 128256,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  max_position_embeddings: 131072,
  tie_word_embeddings: true,
  hidden_act: "silu",
  bos_token_id: 128000,
  eos_token_id: 128001,
};
const llama3 = {
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const llama3Parsed = {
  type: "llama3",
  factor: 32,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositions: 8192,
};

describe("config.json", () => {
  it("becomes a ModelConfig", () => {
    expect(parseModelConfig({ ...base, some_new_key: 1 })).toEqual({
      architecture: "LlamaForCausalLM",
      hiddenSize: 2048,
      intermediateSize: 8192,
      layers: 16,
      heads: 32,
      kvHeads: 8,
      headDim: 64,
      vocabSize: 128256,
      rmsNormEps: 1e-5,
      ropeTheta: 500000,
      ropeScaling: { type: "default" },
      maxPositions: 131072,
      tieWordEmbeddings: true,
      qkvBias: false,
      qkNorm: false,
      bosTokenId: 128000,
      eosTokenIds: [128001],
      quantization: undefined,
    });
  });

  it("may spell RoPE scaling in three ways", () => {
    const { rope_theta, ...rest } = base;
    const spellings = [
      { ...base, rope_scaling: { rope_type: "llama3", ...llama3 } },
      { ...base, rope_scaling: { type: "llama3", ...llama3 } },
      { ...rest, rope_parameters: { rope_type: "llama3", rope_theta, ...llama3 } },
    ];
    for (const spelling of spellings) {
      const config = parseModelConfig(spelling);
      expect(config.ropeScaling).toEqual(llama3Parsed);
      expect(config.ropeTheta).toBe(500000);
    }
  });

  it("prefers an explicit head_dim and defaults key heads to query heads", () => {
    expect(parseModelConfig({ ...base, head_dim: 128 }).headDim).toBe(128);
    expect(parseModelConfig({ ...base, num_key_value_heads: null }).kvHeads).toBe(32);
  });

  it("ends on any eos of generation_config.json, else of config.json", () => {
    const three = [128001, 128008, 128009];
    expect(parseModelConfig(base, { eos_token_id: three }).eosTokenIds).toEqual(three);
    expect(parseModelConfig({ ...base, eos_token_id: three }, {}).eosTokenIds).toEqual(three);
    expect(parseModelConfig({ ...base, eos_token_id: null }).eosTokenIds).toEqual([]);
  });

  it("knows the biases and head norms that an architecture implies", () => {
    const qwen2 = { ...base, sliding_window: 4096, use_sliding_window: false };
    expect(parseModelConfig({ ...qwen2, architectures: ["Qwen2ForCausalLM"] }).qkvBias).toBe(true);
    expect(parseModelConfig({ ...base, architectures: ["Qwen3ForCausalLM"] }).qkNorm).toBe(true);
  });

  it.each([
    ["RoPE of an unknown type", { rope_scaling: { rope_type: "yarn", factor: 4 } }],
    ["another activation", { hidden_act: "gelu" }],
    ["biases", { attention_bias: true }],
    ["MLP biases", { mlp_bias: true }],
    ["a sliding window", { sliding_window: 4096 }],
    ["sliding layers", { layer_types: ["full_attention", "sliding_attention"] }],
    ["partial rotation", { partial_rotary_factor: 0.5 }],
  ])("refuses %s", (_what, change) => {
    expect(() => parseModelConfig({ ...base, ...change })).toThrowError(
      expect.objectContaining({ code: "architecture-unsupported" }),
    );
  });

  it.each([
    ["a missing key", { hidden_size: undefined }],
    ["a wrong type", { vocab_size: "128256" }],
    ["heads that do not divide", { num_key_value_heads: 5 }],
    ["an odd head dimension", { head_dim: 63 }],
    ["a llama3 scaling without factor", { rope_scaling: { rope_type: "llama3" } }],
  ])("refuses %s", (_what, change) => {
    expect(() => parseModelConfig({ ...base, ...change })).toThrowError(
      expect.objectContaining({ code: "checkpoint-malformed" }),
    );
  });
});
