/** How checkpoints of the Llama family name their tensors, and the shape each must have. */
import type { ModelConfig } from "../checkpoint/model-config.ts";

/** Modules of one block, without ".weight"; those in one list are stacked by rows into one matrix. */
export interface BlockModules {
  /** Parent of the projections and of what belongs to the attention itself. */
  readonly attention: string;
  readonly inputNorm: string;
  readonly qkv: readonly [string, string, string];
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly output: readonly [string];
  readonly postNorm: string;
  readonly gateUp: readonly [string, string];
  readonly down: readonly [string];
}

export const embeddingModule = "model.embed_tokens";
export const finalNormModule = "model.norm";
export const headModule = "lm_head";

export function blockModules(layer: number): BlockModules {
  const block = `model.layers.${layer}`;
  const attention = `${block}.self_attn`;
  return {
    attention,
    inputNorm: `${block}.input_layernorm`,
    qkv: [`${attention}.q_proj`, `${attention}.k_proj`, `${attention}.v_proj`],
    queryNorm: `${attention}.q_norm`,
    keyNorm: `${attention}.k_norm`,
    output: [`${attention}.o_proj`],
    postNorm: `${block}.post_attention_layernorm`,
    gateUp: [`${block}.mlp.gate_proj`, `${block}.mlp.up_proj`],
    down: [`${block}.mlp.down_proj`],
  };
}

/** One tensor that a BF16 checkpoint of a configuration holds. */
export interface TensorPlan {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: "embedding" | "linear" | "norm" | "bias";
}

/** Every tensor of a BF16 checkpoint, in the order of the forward pass. */
export function tensorPlan(config: ModelConfig): TensorPlan[] {
  const { hiddenSize, vocabSize } = config;
  const embedding = { shape: [vocabSize, hiddenSize], role: "embedding" } as const;
  return [
    { name: `${embeddingModule}.weight`, ...embedding },
    ...Array.from({ length: config.layers }, (_, layer) => blockPlan(config, layer)).flat(),
    { name: `${finalNormModule}.weight`, shape: [hiddenSize], role: "norm" },
    ...(config.tieWordEmbeddings ? [] : [{ name: `${headModule}.weight`, ...embedding }]),
  ];
}

function blockPlan(config: ModelConfig, layer: number): TensorPlan[] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const modules = blockModules(layer);
  const queries = config.heads * headDim;
  const keys = config.kvHeads * headDim;
  const norm = (module: string, size: number): TensorPlan => ({
    name: `${module}.weight`,
    shape: [size],
    role: "norm",
  });
  const linear = (module: string, rows: number, columns: number): TensorPlan => ({
    name: `${module}.weight`,
    shape: [rows, columns],
    role: "linear",
  });
  const [q, k, v] = modules.qkv;
  const biases = [q, k, v].map(
    (module, i): TensorPlan => ({
      name: `${module}.bias`,
      shape: [i === 0 ? queries : keys],
      role: "bias",
    }),
  );
  return [
    norm(modules.inputNorm, hiddenSize),
    linear(q, queries, hiddenSize),
    linear(k, keys, hiddenSize),
    linear(v, keys, hiddenSize),
    ...(config.qkvBias ? biases : []),
    ...(config.qkNorm ? [norm(modules.queryNorm, headDim), norm(modules.keyNorm, headDim)] : []),
    linear(modules.output[0], hiddenSize, queries),
    norm(modules.postNorm, hiddenSize),
    linear(modules.gateUp[0], intermediateSize, hiddenSize),
    linear(modules.gateUp[1], intermediateSize, hiddenSize),
    linear(modules.down[0], hiddenSize, intermediateSize),
  ];
}
