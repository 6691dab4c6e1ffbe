/** The config.json of a quantized checkpoint: the source's own, or one written for a dummy shape. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig, QuantizationConfig, RopeScaling } from "../checkpoint/model-config.ts";

const modelTypes: Readonly<Record<string, string>> = {
  LlamaForCausalLM: "llama",
  MistralForCausalLM: "mistral",
  Qwen2ForCausalLM: "qwen2",
  Qwen3ForCausalLM: "qwen3",
};

function ropeJson(scaling: RopeScaling): unknown {
  switch (scaling.type) {
    case "default":
      return null;
    case "linear":
      return { rope_type: "linear", factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      };
  }
}

/** What config.json of a model without a folder says. */
function jsonOf(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: [config.architecture],
    model_type: modelTypes[config.architecture],
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeJson(config.ropeScaling),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tieWordEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    hidden_act: "silu",
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenIds,
    torch_dtype: "bfloat16",
    // Only dummy weights have no folder. Other readers ignore keys that they do not know.
    quantlab_random_weights: true,
  };
}

/** @param modelDtype what torch_dtype must say, where the layout fixes it */
export function quantizedConfig(
  config: ModelConfig,
  folder: string | undefined,
  quantization: QuantizationConfig,
  modelDtype: string | undefined,
): Record<string, unknown> {
  const source: Record<string, unknown> =
    folder === undefined
      ? jsonOf(config)
      : JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const dtypes =
    modelDtype === undefined
      ? {}
      : { torch_dtype: modelDtype, ...("dtype" in source ? { dtype: modelDtype } : {}) };
  return { ...source, ...dtypes, quantization_config: quantization };
}
