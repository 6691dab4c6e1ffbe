/** INT8: 8-bit integer weights and activations (W8A8), as compressed-tensors holds them. */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import type { BlockQuantizer } from "../block.ts";
import { quantizeDense, weightOf } from "../dense.ts";
import type { CanonicalMatrix, CanonicalTensors, Format } from "../format.ts";
import { checkpointOptions, intQuantized, isInt8Config, readInt8 } from "./layout.ts";
import { dequantizeRows, quantizeRows } from "./quantize.ts";

function quantize(weight: Uint16Array, rows: number, columns: number): CanonicalTensors {
  const { codes, scale } = quantizeRows(weight, rows, columns);
  return { weight: codes, scale };
}

/** By rounding alone: there is nothing to search. */
const quantizer: BlockQuantizer = {
  needsCalibration: () => false,
  quantizeBlock(groups) {
    const linears = groups.flatMap((group) => group.linears);
    const matrices = new Map(
      linears.map(({ module, weight, rows, columns }): [string, CanonicalMatrix] => [
        module,
        { rows, columns, tensors: quantize(weight, rows, columns) },
      ]),
    );
    return { matrices, vectors: new Map(), choices: [] };
  },
};

export const int8 = {
  name: "int8",
  title: "INT8, per-channel weight scales, dynamic per-token activation scales",
  compute: "int8",
  operands: "int8",
  bitsPerWeight: (columns) => 8 + 32 / columns,
  resolve: () => ({}),
  detect: isInt8Config,
  optionsOf: checkpointOptions,
  quantizer,
  layouts: [intQuantized],
  read: readInt8,
  load(source, modules) {
    const { rows, columns, tensors } = readInt8(source, modules);
    const handle = kernels.packWeight("int8", rows, columns, tensors, {});
    return weightOf("int8", handle, rows, columns);
  },
  quantizeOnLoad: (source, modules, options) => quantizeDense("int8", source, modules, options),
  quantize,
  dequantize({ weight, scale }, rows, columns) {
    assert(
      weight instanceof Uint8Array && scale instanceof Float32Array,
      "int8 tensors are { weight: Uint8Array, scale: Float32Array }",
    );
    return { rows, columns, values: dequantizeRows({ codes: weight, scale }, columns) };
  },
  roundActivations(x, rows, columns) {
    return { rows, columns, values: dequantizeRows(quantizeRows(x, rows, columns), columns) };
  },
} as const satisfies Format;
