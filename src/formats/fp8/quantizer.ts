/** Quantizes a block to FP8: weights by rounding, activation scales from what calibration saw. */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import type { Activations, BlockQuantizer, LinearGroup, QuantizedBlock } from "../block.ts";
import { bf16ToFloat } from "../float16.ts";
import type { CanonicalMatrix, FormatOptions } from "../format.ts";
import { e4m3Max } from "./codec.ts";
import { minActivationScale, minTileMaximum, tileShape } from "./quantize.ts";

const { fround } = Math;

/** The largest magnitude over all calibration tokens becomes 448. */
function staticScale({ values }: Activations): Float32Array {
  let largest = 0;
  for (const bits of values) {
    const magnitude = bits & 0x7fff;
    if (magnitude > largest) largest = magnitude;
  }
  return Float32Array.of(Math.max(fround(bf16ToFloat(largest) / e4m3Max), minActivationScale));
}

function quantizeBlock(groups: readonly LinearGroup[], options: FormatOptions): QuantizedBlock {
  const granularity = options.granularity ?? "channel";
  const matrices = new Map<string, CanonicalMatrix>();
  for (const { linears, input } of groups) {
    const isStatic = options.activations === "static";
    assert(!isStatic || input !== undefined, "static activation scales are calibrated");
    const inputScale = isStatic && input !== undefined ? { inputScale: staticScale(input) } : {};
    for (const { module, rows, columns, weight: source } of linears) {
      const tile = tileShape(granularity, rows, columns);
      const weight = new Uint8Array(rows * columns);
      const scale = new Float32Array(rows * Math.ceil(columns / tile.columns));
      const floor = minTileMaximum(granularity);
      kernels.quantizeE4m3(source, rows, columns, tile.rows, tile.columns, floor, weight, scale);
      matrices.set(module, { rows, columns, tensors: { weight, scale, ...inputScale } });
    }
  }
  return { matrices, vectors: new Map(), choices: [] };
}

export const fp8Quantizer: BlockQuantizer = {
  needsCalibration: (options) => options.activations === "static",
  quantizeBlock,
};
