/** The output head's own format: `--lm-head`. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { formats } from "./registry.ts";

/** What the head is kept in unless told otherwise, as every other engine keeps it. */
export const defaultHeadFormat = "bf16";

/** Formats that a head can be quantized to while it is loaded, the default first. */
export const headFormats: readonly string[] = [
  defaultHeadFormat,
  ...formats.map(({ name }) => name).filter((name) => name !== defaultHeadFormat),
];

/** Bits per weight of a head in a format; undefined for the default, which needs no matrix of its own. */
export function headCostOf(
  name: string | undefined,
  config: ModelConfig,
): { readonly format: string; readonly bitsPerWeight: number } | undefined {
  if (name === undefined || name === defaultHeadFormat) return undefined;
  const format = formats.find((candidate) => candidate.name === name);
  if (format === undefined) {
    throw new QuantlabError("usage", `"${name}" is no format of an output head`, {
      hint: `write one of ${headFormats.join(", ")}`,
    });
  }
  const bitsPerWeight = format.bitsPerWeight(config.hiddenSize, format.resolve(config));
  return { format: name, bitsPerWeight };
}
