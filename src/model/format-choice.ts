/** Decides how a checkpoint becomes a format: as it is, or quantized from BF16 while loading. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { Format, FormatOptions, Weight } from "../formats/format.ts";
import { formatByName, formatOfCheckpoint, kernelOf } from "../formats/registry.ts";

/** How the block matrices of one model are loaded. */
export interface Loading {
  readonly format: Format;
  load(source: TensorSource, modules: readonly string[]): Weight;
}

/** What embeddings and heads stay in, and what every format can be quantized from. */
export const unquantized: Format = formatByName("bf16");

/**
 * @param requested a format's name, or undefined for the checkpoint's own
 * @param kernelName undefined for the format's first kernel
 */
export function planLoading(
  label: string,
  config: ModelConfig,
  requested: string | undefined,
  kernelName: string | undefined,
): Loading {
  const own = formatOfCheckpoint(config.quantization);
  const format = requested === undefined ? own : formatByName(requested);
  const kernel = kernelOf(format, kernelName);
  const chosen = kernel === undefined ? {} : { kernel };
  if (format === own) {
    const options = { ...own.optionsOf(config.quantization), ...chosen };
    return { format, load: (source, modules) => own.load(source, modules, options) };
  }
  if (own !== unquantized) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${label} is already in ${own.name}, --format ${format.name} was asked for`,
      { hint: `pass --format ${own.name}, or the BF16 checkpoint it was made from` },
    );
  }
  const options: FormatOptions = { ...format.resolve(config), ...chosen };
  return { format, load: (source, modules) => format.quantizeOnLoad(source, modules, options) };
}

/** The format of the output head; undefined where it stays what it is. @throws usage on an unknown name */
export function planHead(requested: string | undefined): Format | undefined {
  if (requested === undefined || requested === unquantized.name) return undefined;
  return formatByName(requested);
}
