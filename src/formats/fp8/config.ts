/** Which quantization_config blocks are FP8, what they say, and which of them we cannot run. */
import { QuantlabError } from "../../base/errors.ts";
import type { QuantizationConfig } from "../../checkpoint/model-config.ts";
import { compressedTensors, hasWeights, requireSetting, schemeOf } from "../compressed-tensors.ts";
import type { FormatOptions, Granularity } from "../format.ts";

/** Rows and columns that share a scale in block-wise FP8. */
export const blockSize = 128;

/** vLLM's own layout, as AutoFP8 and the block-wise checkpoints of DeepSeek and Qwen use it. */
export const vllmFp8 = "fp8";

/** `quant_method: "fp8"`, or compressed-tensors whose weights are 8-bit floats. */
export function isFp8Config(config: QuantizationConfig | undefined): boolean {
  return config?.quant_method === vllmFp8 || hasWeights(config, "float", 8);
}

function refuse(what: string): QuantlabError {
  return new QuantlabError("format-unsupported", `fp8 checkpoint with ${what}`, {
    hint: "start from the BF16 checkpoint: quantlab quantizes it to fp8 while loading",
  });
}

/** @throws format-unsupported on a variant with another arithmetic */
export function checkpointOptions(config: QuantizationConfig | undefined): FormatOptions {
  if (config === undefined) return {};
  return config.quant_method === compressedTensors ? compressed(config) : vllm(config);
}

function vllm(config: QuantizationConfig): FormatOptions {
  const scheme = config.activation_scheme ?? "dynamic";
  if (scheme !== "dynamic" && scheme !== "static") {
    throw refuse(`activation_scheme ${JSON.stringify(scheme)}, expected "dynamic" or "static"`);
  }
  if (config.fmt !== undefined && config.fmt !== "e4m3") {
    throw refuse(`fmt ${JSON.stringify(config.fmt)}, expected "e4m3"`);
  }
  const block = config.weight_block_size ?? undefined;
  if (block === undefined) return options(vllmFp8, "tensor", scheme === "static");
  requireBlock(block);
  if (scheme === "static") throw refuse("block-wise weights and static activations");
  return options(vllmFp8, "block", false);
}

function requireBlock(block: unknown): void {
  if (Array.isArray(block) && block.length === 2 && block.every((size) => size === blockSize)) {
    return;
  }
  throw refuse(`blocks of ${JSON.stringify(block)}, expected [${blockSize}, ${blockSize}]`);
}

function compressed(config: QuantizationConfig): FormatOptions {
  const { format, weights, activations } = schemeOf(config);
  requireSetting("format", format, ["float-quantized", "naive-quantized", undefined]);
  requireSetting("weights.symmetric", weights.symmetric, [true]);
  const strategy = weights.strategy ?? "tensor";
  if (strategy !== "tensor" && strategy !== "channel" && strategy !== "block") {
    throw refuse(`"${strategy}" weight scales, expected "tensor", "channel" or "block"`);
  }
  if (strategy === "block") requireBlock(weights.block_structure);
  if (activations === undefined) return options(compressedTensors, strategy, false);
  requireSetting("input_activations.type", activations.type, ["float"]);
  requireSetting("input_activations.num_bits", activations.num_bits, [8]);
  const isStatic = activations.dynamic === false;
  if (strategy === "block") {
    requireSetting("input_activations.strategy", activations.strategy, ["group"]);
    requireSetting("input_activations.group_size", activations.group_size, [blockSize]);
    requireSetting("input_activations.dynamic", isStatic, [false]);
  }
  if (isStatic) requireSetting("input_activations.strategy", activations.strategy, ["tensor"]);
  return options(compressedTensors, strategy, isStatic);
}

function options(layout: string, granularity: Granularity, isStatic: boolean): FormatOptions {
  return { layout, granularity, ...(isStatic ? { activations: "static" } : {}) };
}
