/** Reads E4M3 matrices of the layouts that checkpoints use, stacked by rows, as canonical tensors. */
import { QuantlabError } from "../../base/errors.ts";
import type { TensorSource } from "../../checkpoint/tensor-source.ts";
import { compressedTensors } from "../compressed-tensors.ts";
import { commonColumns, matrixShape } from "../dense.ts";
import type { CanonicalMatrix, FormatOptions } from "../format.ts";
import { readScales, requireQuantized } from "../tensors.ts";
import { blockSize } from "./config.ts";

/**
 * `NAME.weight` (F8_E4M3) of each module, and its multipliers: `NAME.weight_scale`, or
 * `NAME.weight_scale_inv` (a multiplier too, whatever its name says) in vLLM's block-wise layout.
 * Scales are spread over the module's rows, so stacked modules keep their own: nothing is requantized.
 * Canonical scale is [rows], or [rows, columns / 128] for blocks. Where activation scales are static,
 * `inputScale` [1] is the largest of the stacked modules, as vLLM takes it.
 */
export function readFp8(
  source: TensorSource,
  modules: readonly string[],
  options: FormatOptions,
): CanonicalMatrix {
  const parts = modules.map((module) => {
    const name = `${module}.weight`;
    requireQuantized(source, module, "weight", ["F8_E4M3"], "fp8");
    return { module, name, ...matrixShape(source, name, source.info(name)) };
  });
  const columns = commonColumns(
    source,
    modules,
    parts.map((part) => part.columns),
  );
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const perRow = options.granularity === "block" ? Math.ceil(columns / blockSize) : 1;
  const weight = new Uint8Array(rows * columns);
  const scale = new Float32Array(rows * perRow);
  let row = 0;
  for (const part of parts) {
    const codes = weight.subarray(row * columns, (row + part.rows) * columns);
    source.readInto(part.name, codes);
    refuseNaN(source, part.name, codes);
    const spread = scale.subarray(row * perRow, (row + part.rows) * perRow);
    if (options.granularity === "block") {
      readBlockScales(source, part.module, part.rows, perRow, options, spread);
    } else readRowScales(source, part.module, part.rows, options, spread);
    row += part.rows;
  }
  if (options.activations !== "static") return { rows, columns, tensors: { weight, scale } };
  const inputScale = readInputScale(source, modules);
  return { rows, columns, tensors: { weight, scale, inputScale } };
}

function refuseNaN(source: TensorSource, name: string, codes: Uint8Array): void {
  if (!codes.includes(0x7f) && !codes.includes(0xff)) return;
  throw new QuantlabError("checkpoint-mismatch", `${source.label}: ${name} holds NaN`, {
    hint: "the file is damaged, or its quantizer failed; make the checkpoint again",
  });
}

/** One FP32 scale a row, from one a tensor or one a row. */
function readRowScales(
  source: TensorSource,
  module: string,
  rows: number,
  options: FormatOptions,
  target: Float32Array,
): void {
  const shapes = options.granularity === "tensor" ? [[], [1]] : [[rows, 1], [rows], [], [1]];
  const values = readScales(
    source,
    `${module}.weight_scale`,
    shapes,
    `config.json says one scale a ${options.granularity ?? "channel"}`,
  );
  if (values.length === 1) target.fill(values[0] ?? Number.NaN);
  else target.set(values);
}

/** Scales [ceil(rows / 128), ceil(columns / 128)], each block's row repeated for its rows. */
function readBlockScales(
  source: TensorSource,
  module: string,
  rows: number,
  perRow: number,
  options: FormatOptions,
  target: Float32Array,
): void {
  const suffix = options.layout === compressedTensors ? "weight_scale" : "weight_scale_inv";
  const shape = [Math.ceil(rows / blockSize), perRow];
  const values = readScales(source, `${module}.${suffix}`, [shape]);
  for (let row = 0; row < rows; row++) {
    const block = Math.floor(row / blockSize);
    target.set(values.subarray(block * perRow, (block + 1) * perRow), row * perRow);
  }
}

function readInputScale(source: TensorSource, modules: readonly string[]): Float32Array {
  const scales = modules.map((module) => {
    const name = `${module}.input_scale`;
    const [scale] = readScales(source, name, [[], [1]]);
    if (scale !== undefined && scale > 0) return scale;
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${name} is 0; activations are divided by it`,
    );
  });
  return Float32Array.of(Math.max(...scales));
}
