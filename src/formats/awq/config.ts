/** Which group size a model gets, and which awq checkpoints we can read. */
import { QuantlabError } from "../../base/errors.ts";
import type { ModelConfig, QuantizationConfig } from "../../checkpoint/model-config.ts";
import { compressedTensors, hasWeights, requireSetting, schemeOf } from "../compressed-tensors.ts";
import type { FormatOptions } from "../format.ts";

/** Group sizes that the kernel takes, the preferred one first. */
export const groupSizes: readonly number[] = [128, 64, 32];

/** Inputs of every linear of a decoder block. */
function linearColumns(config: ModelConfig): readonly number[] {
  return [config.hiddenSize, config.heads * config.headDim, config.intermediateSize];
}

/** The largest group size that divides the inputs of every linear. @throws format-unsupported */
export function resolveGroupSize(config: ModelConfig): FormatOptions {
  const columns = linearColumns(config);
  const groupSize = groupSizes.find((size) => columns.every((count) => count % size === 0));
  if (groupSize === undefined) {
    throw new QuantlabError(
      "format-unsupported",
      `awq needs linears whose inputs are a multiple of 128, 64 or 32; this model has ${[...new Set(columns)].join(", ")}`,
      { hint: "serve this model in bf16 or fp8" },
    );
  }
  return { groupSize };
}

/** AutoAWQ's own layout, by its name in `--layout`. */
export const autoAwq = "autoawq";

/** `quant_method: "awq"`, or compressed-tensors whose weights are 4-bit integers. */
export function isAwqConfig(config: QuantizationConfig | undefined): boolean {
  return config?.quant_method === "awq" || hasWeights(config, "int", 4);
}

/** What we read differently from what we expect, as "key value". */
function firstObstacle(config: QuantizationConfig): string | undefined {
  const bits = config.bits ?? config.w_bit;
  if (bits !== 4) return `bits ${String(bits)}`;
  if (config.zero_point === false) return "zero_point false";
  const version = String(config.version ?? "gemm").toLowerCase();
  return version === "gemm" ? undefined : `version "${version}"`;
}

/** What an INT4 checkpoint says. @throws format-unsupported on a layout that we do not read */
export function checkpointOptions(config: QuantizationConfig | undefined): FormatOptions {
  if (config === undefined) return {};
  if (config.quant_method === compressedTensors) return packedOptions(config);
  const obstacle = firstObstacle(config);
  if (obstacle !== undefined) {
    throw new QuantlabError(
      "format-unsupported",
      `awq checkpoint with ${obstacle}; expected bits 4, zero points and version "gemm"`,
      { hint: "start from the BF16 checkpoint: quantlab quantizes it to awq while loading" },
    );
  }
  return { layout: autoAwq, groupSize: requireGroupSize(config.group_size ?? config.q_group_size) };
}

function packedOptions(config: QuantizationConfig): FormatOptions {
  const { format, weights, activations } = schemeOf(config);
  requireSetting("format", format, ["pack-quantized"]);
  requireSetting("input_activations", activations, [undefined]);
  requireSetting("weights.strategy", weights.strategy, ["group"]);
  // Ordered by activation within the file, its groups are not runs of neighbouring columns.
  requireSetting("weights.actorder", weights.actorder ?? false, [false, "static", "weight"]);
  return {
    layout: compressedTensors,
    groupSize: requireGroupSize(weights.group_size),
    ...(weights.symmetric ? { symmetric: true } : {}),
  };
}

/** @throws format-unsupported unless it is one of `groupSizes` */
export function requireGroupSize(value: unknown): number {
  const groupSize = groupSizes.find((size) => size === value);
  if (groupSize === undefined) {
    throw new QuantlabError(
      "format-unsupported",
      `awq group size ${String(value)}; the kernel takes ${groupSizes.join(", ")}`,
      { hint: "requantize the model with group size 128" },
    );
  }
  return groupSize;
}
