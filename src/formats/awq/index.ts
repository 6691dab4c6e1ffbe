/** AWQ-INT4: four-bit weights with a scale and a zero point a group; activations stay BF16 (W4A16). */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import { quantizeDense, weightOf } from "../dense.ts";
import { decodeBf16 } from "../float16.ts";
import type { Format } from "../format.ts";
import { fixedPointRows } from "./activations.ts";
import { readAwq } from "./checkpoint.ts";
import { checkpointOptions, isAwqConfig, requireGroupSize, resolveGroupSize } from "./config.ts";
import { awqLayouts } from "./layouts.ts";
import { awqQuantizer } from "./quantizer.ts";
import { dequantizeGroups, quantizeGroups } from "./quantize.ts";

export const awq = {
  name: "awq",
  title: "AWQ-INT4, groups with scale and zero point, 16-bit activations",
  compute: "int8",
  otherKernels: ["plain"],
  /** 4-bit code, and per group a 16-bit scale and a 4-bit zero point. */
  bitsPerWeight: (_columns, options) => 4 + 20 / requireGroupSize(options.groupSize),
  resolve: resolveGroupSize,
  detect: isAwqConfig,
  optionsOf: checkpointOptions,
  quantizer: awqQuantizer,
  layouts: awqLayouts,
  read: readAwq,
  load(source, modules, options) {
    const groupSize = requireGroupSize(options.groupSize);
    const { rows, columns, tensors } = readAwq(source, modules, options);
    const handle = kernels.packWeight("awq", rows, columns, tensors, { ...options, groupSize });
    return weightOf("awq", handle, rows, columns);
  },
  quantizeOnLoad(source, modules, options) {
    const groupSize = requireGroupSize(options.groupSize);
    return quantizeDense("awq", source, modules, { ...options, groupSize });
  },
  quantize(weight, rows, columns, options) {
    const groupSize = requireGroupSize(options.groupSize);
    return { ...quantizeGroups(weight, rows, columns, groupSize, options.symmetric) };
  },
  dequantize(tensors, rows, columns, options) {
    const { codes, scale, zero } = tensors;
    assert(
      codes instanceof Uint8Array && scale instanceof Uint16Array && zero instanceof Uint8Array,
      "awq tensors are { codes: Uint8Array, scale: Uint16Array, zero: Uint8Array }",
    );
    const groupSize = requireGroupSize(options.groupSize);
    return { rows, columns, values: dequantizeGroups({ codes, scale, zero }, groupSize) };
  },
  roundActivations(x, rows, columns, options) {
    const isPlain = options.kernel === "plain";
    const values = isPlain ? decodeBf16(x) : fixedPointRows(x, requireGroupSize(options.groupSize));
    return { rows, columns, values };
  },
} as const satisfies Format;
