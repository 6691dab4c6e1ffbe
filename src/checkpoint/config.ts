/** Reads config.json (and generation_config.json) of a checkpoint folder into a ModelConfig. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig, RopeScaling } from "./model-config.ts";

const count = z.number().int().positive();
const tokenId = z.number().int().nonnegative();
const eosSchema = z.union([tokenId, z.array(tokenId)]).nullish();

const ropeSchema = z
  .looseObject({
    rope_theta: z.number().positive().optional(),
    rope_type: z.string().optional(),
    /** The older spelling of rope_type. */
    type: z.string().optional(),
    factor: z.number().positive().optional(),
    low_freq_factor: z.number().positive().optional(),
    high_freq_factor: z.number().positive().optional(),
    original_max_position_embeddings: count.optional(),
    partial_rotary_factor: z.number().optional(),
  })
  .nullish();

const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  vocab_size: count,
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema,
  /** Transformers 5 writes theta and scaling in here. */
  rope_parameters: ropeSchema,
  max_position_embeddings: count,
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  hidden_act: z.string().default("silu"),
  sliding_window: z.number().nullish(),
  use_sliding_window: z.boolean().optional(),
  layer_types: z.array(z.string()).nullish(),
  partial_rotary_factor: z.number().optional(),
  bos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  eos_token_id: eosSchema,
  quantlab_random_weights: z.literal(true).optional(),
  quantization_config: z.record(z.string(), z.unknown()).nullish(),
  /** Where early versions of compressed-tensors put it. */
  compression_config: z.record(z.string(), z.unknown()).nullish(),
});
type RawConfig = z.infer<typeof configSchema>;

const generationSchema = z.looseObject({ eos_token_id: eosSchema });

function unsupported(what: string): QuantlabError {
  return new QuantlabError("architecture-unsupported", `config.json asks for ${what}`, {
    hint: "quantlab runs Llama-family models: full causal attention, SwiGLU with silu, RoPE of type default, linear or llama3",
  });
}

function ropeScaling(raw: RawConfig): RopeScaling {
  const rope = raw.rope_parameters ?? raw.rope_scaling ?? {};
  const type = rope.rope_type ?? rope.type ?? "default";
  const partial = rope.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (partial !== 1) throw unsupported(`partial_rotary_factor ${partial}`);
  if (type === "default") return { type };
  if (type === "linear") return { type, factor: need(rope.factor, "factor") };
  if (type === "llama3") {
    return {
      type,
      factor: need(rope.factor, "factor"),
      lowFreqFactor: need(rope.low_freq_factor, "low_freq_factor"),
      highFreqFactor: need(rope.high_freq_factor, "high_freq_factor"),
      originalMaxPositions: need(
        rope.original_max_position_embeddings,
        "original_max_position_embeddings",
      ),
    };
  }
  throw unsupported(`RoPE scaling of type "${type}"`);
}

function need(value: number | undefined, key: string): number {
  if (value !== undefined) return value;
  throw new QuantlabError("checkpoint-malformed", `config.json: RoPE scaling lacks "${key}"`);
}

/** Refuses what the forward would silently compute wrongly. */
function refuseUnsupported(raw: RawConfig): void {
  if (raw.hidden_act !== "silu") throw unsupported(`hidden_act "${raw.hidden_act}"`);
  if (raw.attention_bias === true) throw unsupported("attention_bias true");
  if (raw.mlp_bias === true) throw unsupported("mlp_bias true");
  const odd = raw.layer_types?.find((type) => type !== "full_attention");
  if (odd !== undefined) throw unsupported(`a layer of type "${odd}"`);
  const window = raw.use_sliding_window === false ? undefined : (raw.sliding_window ?? undefined);
  if (window !== undefined && window < raw.max_position_embeddings) {
    throw unsupported(`a sliding window of ${window} tokens`);
  }
}

function dimensions(raw: RawConfig): { heads: number; kvHeads: number; headDim: number } {
  const heads = raw.num_attention_heads;
  const kvHeads = raw.num_key_value_heads ?? heads;
  const headDim = raw.head_dim ?? raw.hidden_size / heads;
  const wrong =
    heads % kvHeads !== 0
      ? `${heads} query heads cannot share ${kvHeads} key heads evenly`
      : headDim % 2 !== 0
        ? `a head dimension of ${headDim} is not an even whole number`
        : undefined;
  if (wrong !== undefined) {
    throw new QuantlabError("checkpoint-malformed", `config.json: ${wrong}`);
  }
  return { heads, kvHeads, headDim };
}

const listOf = (ids: number | number[] | null | undefined): number[] =>
  ids === null || ids === undefined ? [] : Array.isArray(ids) ? ids : [ids];

function parseWith<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new QuantlabError(
    "checkpoint-malformed",
    `${file} is not what it should be:\n${z.prettifyError(parsed.error)}`,
  );
}

/**
 * A parsed config.json as a ModelConfig. Sequences end on any eos id of generation_config.json,
 * or of config.json where that says nothing.
 * @throws checkpoint-malformed, architecture-unsupported
 */
export function parseModelConfig(config: unknown, generation: unknown = {}): ModelConfig {
  const raw = parseWith(configSchema, config, "config.json");
  refuseUnsupported(raw);
  const generationEos = listOf(
    parseWith(generationSchema, generation, "generation_config.json").eos_token_id,
  );
  const architecture = raw.architectures[0] ?? "";
  return {
    architecture,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    layers: raw.num_hidden_layers,
    ...dimensions(raw),
    vocabSize: raw.vocab_size,
    rmsNormEps: raw.rms_norm_eps,
    ropeTheta: raw.rope_parameters?.rope_theta ?? raw.rope_theta ?? 10000,
    ropeScaling: ropeScaling(raw),
    maxPositions: raw.max_position_embeddings,
    tieWordEmbeddings: raw.tie_word_embeddings,
    // Not in config.json: the architecture implies them.
    qkvBias: architecture === "Qwen2ForCausalLM",
    qkNorm: architecture === "Qwen3ForCausalLM",
    bosTokenId: listOf(raw.bos_token_id)[0],
    eosTokenIds: generationEos.length > 0 ? generationEos : listOf(raw.eos_token_id),
    quantization: raw.quantization_config ?? raw.compression_config ?? undefined,
    ...(raw.quantlab_random_weights === true ? { randomWeights: true } : {}),
  };
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuantlabError("file-not-found", `${path} cannot be read`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QuantlabError("checkpoint-malformed", `${path} is not JSON`, { cause });
  }
}

/** The configuration of a checkpoint folder. @throws file-not-found and as parseModelConfig */
export function readModelConfig(folder: string): ModelConfig {
  const config = readJson(join(folder, "config.json"));
  const generationPath = join(folder, "generation_config.json");
  return parseModelConfig(config, existsSync(generationPath) ? readJson(generationPath) : {});
}
