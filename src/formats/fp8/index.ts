/** FP8: E4M3 weights and activations, as vLLM's W8A8 computes them. */
import { assert } from "../../base/errors.ts";
import { kernels, type WeightOptions } from "../../kernels/binding.ts";
import { quantizeDense, weightOf } from "../dense.ts";
import type { Format, FormatOptions, Matrix } from "../format.ts";
import { readFp8 } from "./checkpoint.ts";
import { e4m3Values } from "./codec.ts";
import { blockSize, checkpointOptions, isFp8Config } from "./config.ts";
import { fp8Layouts } from "./layouts.ts";
import { quantizeActivationGroups, quantizeActivationRows, quantizeWeights } from "./quantize.ts";
import { fp8Quantizer } from "./quantizer.ts";

/** What the kernel has to know: groups of 128 columns where scales are block-wise. */
const weightOptions = ({ granularity }: FormatOptions): Pick<WeightOptions, "groupSize"> =>
  granularity === "block" ? { groupSize: blockSize } : {};

export const fp8 = {
  name: "fp8",
  title: "FP8 E4M3, scales per channel and per token where a checkpoint does not say otherwise",
  compute: "bf16",
  operands: "fp8",
  /** In memory block-wise scales are spread over their rows. */
  bitsPerWeight: (columns, options) =>
    8 + (32 * (options.granularity === "block" ? Math.ceil(columns / blockSize) : 1)) / columns,
  resolve: () => ({}),
  detect: isFp8Config,
  optionsOf: checkpointOptions,
  quantizer: fp8Quantizer,
  layouts: fp8Layouts,
  read: readFp8,
  load(source, modules, options) {
    const { rows, columns, tensors } = readFp8(source, modules, options);
    const handle = kernels.packWeight("fp8", rows, columns, tensors, weightOptions(options));
    return weightOf("fp8", handle, rows, columns);
  },
  quantizeOnLoad: (source, modules, options) =>
    quantizeDense("fp8", source, modules, weightOptions(options)),
  quantize(weight, rows, columns, options) {
    const granularity = options.granularity ?? "channel";
    const { codes, scale } = quantizeWeights(weight, rows, columns, granularity);
    return { weight: codes, scale };
  },
  dequantize(tensors, rows, columns): Matrix {
    const { weight, scale } = tensors;
    assert(
      weight instanceof Uint8Array && scale instanceof Float32Array,
      "fp8 tensors are { weight: Uint8Array, scale: Float32Array }",
    );
    const perRow = scale.length / rows;
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < columns; k++) {
        const at = row * perRow + (perRow === 1 ? 0 : Math.floor(k / blockSize));
        const code = weight[row * columns + k] ?? 0;
        values[row * columns + k] = (e4m3Values[code] ?? Number.NaN) * (scale[at] ?? 0);
      }
    }
    return { rows, columns, values };
  },
  roundActivations(x, rows, columns, options): Matrix {
    const isBlock = options.granularity === "block";
    const quantize = isBlock ? quantizeActivationGroups : quantizeActivationRows;
    const { codes, scale } = quantize(x, rows, columns);
    return fp8.dequantize({ weight: codes, scale }, rows, columns);
  },
} as const satisfies Format;
