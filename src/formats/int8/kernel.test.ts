/** The INT8 kernel under every instruction set: exact sums, each code, rows longer than a section. */
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/binding.ts";
import { loadEveryIsa } from "../../kernels/every-isa.ts";
import { groupedProduct } from "../../kernels/reference.ts";
import { floatToBf16 } from "../float16.ts";
import { quantizeRows } from "./quantize.ts";

const variants = loadEveryIsa();

interface Int8Weight {
  readonly rows: number;
  readonly columns: number;
  readonly weight: Uint8Array;
  readonly scale: Float32Array;
}

function product(kernels: Kernels, x: Uint16Array, own: Int8Weight): Float32Array {
  const { rows, columns, weight, scale } = own;
  const m = x.length / columns;
  const handle = kernels.packWeight("int8", rows, columns, { weight, scale }, {});
  const input = kernels.createBuffer("bf16", x.length);
  const out = kernels.createBuffer("f32", m * rows);
  kernels.writeBuffer(input, 0, x);
  kernels.linear(handle, input, m, out);
  return Float32Array.from(kernels.readBuffer(out, 0, m * rows));
}

/** From the definition: one exact sum, then a rounding a step. */
function expected(x: Uint16Array, { rows, columns, weight, scale }: Int8Weight): Float32Array {
  const m = x.length / columns;
  const tokens = quantizeRows(x, m, columns);
  const numbers = new Int8Array(tokens.codes.buffer);
  const codes = new Int8Array(weight.buffer);
  return Float32Array.from({ length: m * rows }, (_, i) => {
    const [token, row] = [Math.floor(i / rows), i % rows];
    return groupedProduct(
      numbers.subarray(token * columns, (token + 1) * columns),
      tokens.scale.subarray(token),
      {
        codes: codes.subarray(row * columns, (row + 1) * columns),
        groupSize: columns,
        zeros: [0],
        scales: scale.subarray(row),
      },
    );
  });
}

describe.each(variants)("$isa", ({ kernels }) => {
  test("products are the definition's, bit for bit, for all 256 codes", () => {
    const [rows, columns] = [75, 301];
    const weight = Uint8Array.from({ length: rows * columns }, (_, i) => i * 7 + (i >> 8));
    const scale = Float32Array.from({ length: rows }, (_, row) => (row + 1) * 1e-3);
    const own = { rows, columns, weight, scale };
    for (const m of [1, 2, 3, 4, 5, 6, 13]) {
      const x = new Uint16Array(m * columns);
      kernels.fillNormal(x, m, 0, 3);
      expect(product(kernels, x, own), `m ${m}`).toEqual(expected(x, own));
    }
  });

  test("the largest codes times the largest, over rows longer than a 32-bit sum can be", () => {
    // 140,000 times -128 times 127 is beyond 2^31; sections of 65,536 are not, and their sums are exact.
    const [rows, columns] = [17, 140_000];
    const weight = new Uint8Array(rows * columns).fill(0x80);
    const own = { rows, columns, weight, scale: new Float32Array(rows).fill(1) };
    const x = new Uint16Array(2 * columns).fill(floatToBf16(1));
    const sum = product(kernels, x, own);
    const scale = Math.fround(1 / 127);
    const wanted = -128 * 127 * columns * scale;
    for (const value of sum) expect(Math.abs(value / wanted - 1)).toBeLessThan(2 ** -22);
  });

  test("a NaN or infinity makes its token NaN, and no other", () => {
    const [rows, columns] = [20, 64];
    const weight = Uint8Array.from({ length: rows * columns }, (_, i) => i);
    const own = { rows, columns, weight, scale: new Float32Array(rows).fill(1) };
    const x = new Uint16Array(3 * columns).fill(floatToBf16(2));
    const clean = product(kernels, x, own);
    for (const pattern of [0x7f80, 0xff80, 0x7fc0]) {
      x[columns + 5] = pattern;
      const actual = product(kernels, x, own);
      expect(actual.subarray(rows, 2 * rows).every(Number.isNaN)).toBe(true);
      expect(actual.subarray(0, rows)).toEqual(clean.subarray(0, rows));
      expect(actual.subarray(2 * rows)).toEqual(clean.subarray(2 * rows));
    }
  });
});
