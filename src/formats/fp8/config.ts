/** Which quantization_config blocks are FP8, and which of them we cannot run. */
import { QuantlabError } from "../../base/errors.ts";
import type { QuantizationConfig } from "../../checkpoint/model-config.ts";

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The `weights` block of every group of a compressed-tensors configuration. */
function weightSchemes(config: QuantizationConfig): Readonly<Record<string, unknown>>[] {
  const groups = isRecord(config.config_groups) ? Object.values(config.config_groups) : [];
  return groups.flatMap((group) =>
    isRecord(group) && isRecord(group.weights) ? [group.weights] : [],
  );
}

/** `quant_method: "fp8"`, or compressed-tensors whose weights are 8-bit floats. */
export function isFp8Config(config: QuantizationConfig | undefined): boolean {
  if (config === undefined) return false;
  if (config.quant_method === "fp8") return true;
  if (config.quant_method !== "compressed-tensors") return false;
  const schemes = weightSchemes(config);
  return (
    schemes.length > 0 &&
    schemes.every((scheme) => scheme.type === "float" && scheme.num_bits === 8)
  );
}

/** Throws on FP8 variants that have another arithmetic than one scale a row. @throws format-unsupported */
export function requireSupported(config: QuantizationConfig | undefined): void {
  if (config === undefined) return;
  const strategies = weightSchemes(config).map((scheme) => scheme.strategy);
  const other = strategies.find((strategy) => strategy !== "channel" && strategy !== "tensor");
  if (other !== undefined || config.weight_block_size !== undefined) {
    throw new QuantlabError(
      "format-unsupported",
      `fp8 checkpoint with ${other === undefined ? "block-wise" : `"${String(other)}"`} weight scales; expected one scale a tensor or a channel`,
      { hint: "start from the BF16 checkpoint: quantlab quantizes it to fp8 while loading" },
    );
  }
}
