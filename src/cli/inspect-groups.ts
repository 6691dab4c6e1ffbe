/** The tensors of a checkpoint by what they are for, whatever format they are stored in. */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { parameterCounts } from "../checkpoint/shapes.ts";
import type { TensorInfo, TensorSource } from "../checkpoint/tensor-source.ts";

export interface TensorGroup {
  readonly group:
    | "embedding"
    | "linears"
    | "norms and biases"
    | "head"
    | "KV cache scales"
    | "other";
  readonly tensors: number;
  readonly dtypes: readonly string[];
  /** Of the model; a quantized matrix has as many as the matrix that it stands for. */
  readonly parameters: number;
  readonly bytes: number;
  /** Scales and zeros included. */
  readonly bitsPerWeight: number;
}

/** Tried in this order: a bias of a projection is a bias, its scale is part of the matrix. */
const patterns: readonly (readonly [TensorGroup["group"], RegExp])[] = [
  ["embedding", /(^|\.)embed_tokens\./],
  ["head", /(^|\.)lm_head\./],
  ["norms and biases", /norm\.weight$|\.bias$/],
  [
    "KV cache scales",
    /\.self_attn\.(attn\.)?(k|v|kv)_scale$|_proj\.(k_scale|v_scale|output_scale)$/,
  ],
  ["linears", /\.(q|k|v|o|gate|up|down)_proj\./],
];

function groupOf(name: string): TensorGroup["group"] {
  return patterns.find(([, pattern]) => pattern.test(name))?.[0] ?? "other";
}

/** Groups that the checkpoint has, in the order of the forward pass. */
export function groupTensors(source: TensorSource, config: ModelConfig): TensorGroup[] {
  const byGroup = new Map<TensorGroup["group"], TensorInfo[]>();
  for (const name of source.names()) {
    const group = groupOf(name);
    byGroup.set(group, [...(byGroup.get(group) ?? []), source.info(name)]);
  }
  const order = [
    "embedding",
    "linears",
    "norms and biases",
    "head",
    "KV cache scales",
    "other",
  ] as const;
  return order.flatMap((group) => {
    const infos = byGroup.get(group);
    return infos === undefined ? [] : [summarize(group, infos, config)];
  });
}

function summarize(
  group: TensorGroup["group"],
  infos: readonly TensorInfo[],
  config: ModelConfig,
): TensorGroup {
  const bytes = infos.reduce((sum, info) => sum + info.byteLength, 0);
  const elements = infos.reduce(
    (sum, info) => sum + info.shape.reduce((n, size) => n * size, 1),
    0,
  );
  const parameters = group === "linears" ? parameterCounts(config).linear : elements;
  return {
    group,
    tensors: infos.length,
    dtypes: [...new Set(infos.map((info) => info.dtype))].sort(),
    parameters,
    bytes,
    bitsPerWeight: (8 * bytes) / parameters,
  };
}
