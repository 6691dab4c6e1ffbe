/** FP8: E4M3 weights and activations, as vLLM's W8A8 computes them. */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import { quantizeDense, weightOf } from "../dense.ts";
import type { Format } from "../format.ts";
import { readFp8 } from "./checkpoint.ts";
import { isFp8Config, requireSupported } from "./config.ts";
import { e4m3Values } from "./codec.ts";
import { quantizeWeightRows } from "./quantize.ts";

export const fp8 = {
  name: "fp8",
  title: "FP8 E4M3, per-channel weight scales, dynamic per-token activation scales",
  compute: "bf16",
  operands: "fp8",
  bitsPerWeight: (columns) => 8 + 32 / columns,
  resolve: () => ({}),
  detect: isFp8Config,
  optionsOf(config) {
    requireSupported(config);
    return {};
  },
  load(source, modules) {
    const { rows, columns, codes, scale } = readFp8(source, modules);
    const handle = kernels.packWeight("fp8", rows, columns, { weight: codes, scale }, {});
    return weightOf("fp8", handle, rows, columns);
  },
  quantizeOnLoad: (source, modules, options) => quantizeDense("fp8", source, modules, options),
  quantize(weight, rows, columns) {
    const { codes, scale } = quantizeWeightRows(weight, rows, columns);
    return { weight: codes, scale };
  },
  dequantize(tensors, rows, columns) {
    const { weight, scale } = tensors;
    assert(
      weight instanceof Uint8Array && scale instanceof Float32Array,
      "fp8 tensors are { weight: Uint8Array, scale: Float32Array }",
    );
    const values = Float32Array.from(
      weight,
      (code, i) => (e4m3Values[code] ?? Number.NaN) * (scale[Math.floor(i / columns)] ?? 0),
    );
    return { rows, columns, values };
  },
} as const satisfies Format;
