/** BF16: the checkpoint's own 16-bit floats; the baseline that every other format is held against. */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import { readDense, weightOf } from "../dense.ts";
import { decodeBf16 } from "../float16.ts";
import type { Format, Weight } from "../format.ts";

function load(...[source, modules]: Parameters<Format["load"]>): Weight {
  const { rows, columns, values } = readDense(source, modules);
  const handle = kernels.packWeight("bf16", rows, columns, { weight: values }, {});
  return weightOf("bf16", handle, rows, columns);
}

export const bf16 = {
  name: "bf16",
  title: "BF16, not quantized",
  compute: "bf16",
  bitsPerWeight: () => 16,
  resolve: () => ({}),
  detect: (config) => config === undefined,
  optionsOf: () => ({}),
  layouts: [],
  read(source, modules) {
    const { rows, columns, values } = readDense(source, modules);
    return { rows, columns, tensors: { weight: values.slice() } };
  },
  load,
  quantizeOnLoad: load,
  quantize: (weight) => ({ weight }),
  dequantize(tensors, rows, columns) {
    const { weight } = tensors;
    assert(weight instanceof Uint16Array, "bf16 tensors are { weight: Uint16Array }");
    return { rows, columns, values: decodeBf16(weight) };
  },
} as const satisfies Format;
