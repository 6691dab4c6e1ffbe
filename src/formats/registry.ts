/** Every number format, in the order of tables and charts: the one place that lists them. */
import { QuantlabError } from "../base/errors.ts";
import type { QuantizationConfig } from "../checkpoint/model-config.ts";
import { awq } from "./awq/index.ts";
import { bf16 } from "./bf16/index.ts";
import type { Format, FormatOptions } from "./format.ts";
import { fp8 } from "./fp8/index.ts";
import { int8 } from "./int8/index.ts";

export const formats: readonly Format[] = [bf16, fp8, awq, int8];

const names = formats.map((format) => format.name).join(", ");

/** @throws format-unsupported when there is none of that name */
export function formatByName(name: string): Format {
  const format = formats.find((candidate) => candidate.name === name);
  if (format === undefined) {
    throw new QuantlabError("format-unsupported", `there is no format "${name}"`, {
      hint: `the formats are ${names}`,
    });
  }
  return format;
}

/** @param name undefined for a format's first kernel @throws format-unsupported where it has no such kernel */
export function kernelOf(format: Format, name: string | undefined): FormatOptions["kernel"] {
  const found = format.otherKernels?.find((kernel) => kernel === name);
  if (found !== undefined || name === undefined) return found;
  const others = formats.flatMap(({ name: owner, otherKernels = [] }) =>
    otherKernels.map((kernel) => `"${kernel}" (${owner})`),
  );
  throw new QuantlabError(
    "format-unsupported",
    `the embedded engine has no kernel "${name}" for ${format.name}`,
    {
      hint: `leave the kernel out for the format's first one; the others are ${others.join(", ")}`,
    },
  );
}

/** The format that a checkpoint's quantization_config describes. @throws format-unsupported */
export function formatOfCheckpoint(config: QuantizationConfig | undefined): Format {
  const format = formats.find((candidate) => candidate.detect(config));
  if (format !== undefined) return format;
  const method = JSON.stringify(config?.quant_method) ?? "none";
  throw new QuantlabError(
    "format-unsupported",
    `the checkpoint is quantized with quant_method ${method} and a scheme that is none of ${names}`,
    {
      hint: "start from the BF16 checkpoint: quantlab quantizes it while loading; a checkpoint that mixes schemes does not run here",
    },
  );
}
