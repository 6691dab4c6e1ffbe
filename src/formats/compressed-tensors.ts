/** Reads the quantization_config of compressed-tensors (what llm-compressor writes), strictly. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import type { QuantizationConfig } from "../checkpoint/model-config.ts";

const argumentsSchema = z.looseObject({
  num_bits: z.number().int(),
  type: z.enum(["int", "float"]),
  strategy: z.string().nullish(),
  symmetric: z.boolean().default(true),
  dynamic: z.union([z.boolean(), z.string()]).default(false),
  group_size: z.number().int().nullish(),
  block_structure: z.array(z.number().int()).nullish(),
  actorder: z.union([z.string(), z.boolean()]).nullish(),
});

const groupSchema = z.looseObject({
  targets: z.array(z.string()),
  weights: argumentsSchema,
  input_activations: argumentsSchema.nullish(),
  format: z.string().nullish(),
});

const configSchema = z.looseObject({
  quant_method: z.literal("compressed-tensors"),
  format: z.string().nullish(),
  quantization_status: z.string().nullish(),
  config_groups: z.record(z.string(), groupSchema),
  ignore: z.array(z.string()).nullish(),
  sparsity_config: z.looseObject({ format: z.string().optional() }).nullish(),
});

export type SchemeArguments = z.infer<typeof argumentsSchema>;

/** How every quantized linear of a compressed-tensors checkpoint is held. */
export interface Scheme {
  /** The compressor: "pack-quantized", "float-quantized", ... */
  readonly format: string | undefined;
  readonly weights: SchemeArguments;
  /** undefined where activations stay as they are. */
  readonly activations: SchemeArguments | undefined;
}

/** The start of every such block. */
export const compressedTensors = "compressed-tensors";

/** Whether its weights are all of this type; what does not parse is not. */
export function hasWeights(
  config: QuantizationConfig | undefined,
  type: "int" | "float",
  bits: number,
): boolean {
  if (config?.quant_method !== compressedTensors) return false;
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) return false;
  const groups = Object.values(parsed.data.config_groups);
  return (
    groups.length > 0 &&
    groups.every(({ weights }) => weights.type === type && weights.num_bits === bits)
  );
}

function unsupported(what: string): QuantlabError {
  return new QuantlabError(
    "format-unsupported",
    `quantization_config of compressed-tensors: ${what}`,
    { hint: "start from the BF16 checkpoint: `quantlab quantize` writes one that runs here" },
  );
}

/**
 * The one scheme of a checkpoint. @throws format-unsupported on several schemes, on weights that were
 * not compressed, and on sparse ones
 */
export function schemeOf(config: QuantizationConfig): Scheme {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) throw unsupported(z.prettifyError(parsed.error));
  const { config_groups, quantization_status: status, sparsity_config: sparsity } = parsed.data;
  if (status !== null && status !== undefined && status !== "compressed") {
    throw unsupported(`quantization_status is "${status}", expected "compressed"`);
  }
  if (sparsity?.format !== undefined && sparsity.format !== "dense") {
    throw unsupported(`the weights are sparse ("${sparsity.format}"), expected dense ones`);
  }
  const schemes = Object.values(config_groups).map((group) => ({
    format: group.format ?? parsed.data.format ?? undefined,
    weights: group.weights,
    activations: group.input_activations ?? undefined,
  }));
  const [scheme] = schemes;
  if (scheme === undefined) throw unsupported("config_groups is empty");
  const text = JSON.stringify(scheme);
  if (schemes.some((other) => JSON.stringify(other) !== text)) {
    throw unsupported(`${schemes.length} different schemes, expected one for all linears`);
  }
  return scheme;
}

/** Throws unless a setting is one of those that can run here. */
export function requireSetting<T>(name: string, found: T, expected: readonly T[]): void {
  if (expected.includes(found)) return;
  const list = expected.map((value) => JSON.stringify(value) ?? "nothing").join(" or ");
  throw unsupported(`${name} is ${JSON.stringify(found) ?? "missing"}, expected ${list}`);
}

/** What `kv_cache_scheme` says of static E4M3 scales, one of keys and one of values a layer. */
export const staticKvCacheScheme = {
  num_bits: 8,
  type: "float",
  strategy: "tensor",
  symmetric: true,
  dynamic: false,
} as const;

/** The block that `schemeOf` reads back. */
export function compressedConfig(
  format: string,
  weights: Readonly<Record<string, unknown>>,
  activations: Readonly<Record<string, unknown>> | null,
  ignored: readonly string[],
): QuantizationConfig {
  return {
    quant_method: compressedTensors,
    format,
    quantization_status: "compressed",
    ignore: [...ignored],
    kv_cache_scheme: null,
    config_groups: {
      group_0: { targets: ["Linear"], weights, input_activations: activations },
    },
  };
}
