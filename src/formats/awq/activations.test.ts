/** Fixed point: what is exact, how far off the rest is, and the awq products of it, bit for bit. */
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/binding.ts";
import { loadEveryIsa } from "../../kernels/every-isa.ts";
import { groupedProduct } from "../../kernels/reference.ts";
import { bf16ToFloat, f16ToFloat, floatToBf16 } from "../float16.ts";
import { fixedPoint } from "./activations.ts";
import { quantizeGroups } from "./quantize.ts";

const variants = loadEveryIsa();
const [{ kernels }] = variants as [(typeof variants)[0]];

/** Normal samples, each group times a power of two of its own, from below BF16's smallest to 2^100. */
function samples(groups: number, groupSize: number): Uint16Array {
  const patterns = new Uint16Array(groups * groupSize);
  kernels.fillNormal(patterns, groupSize, 0, 1);
  return patterns.map((bits, i) => {
    const exponent = ((Math.floor(i / groupSize) * 53) % 235) - 135;
    return floatToBf16(bf16ToFloat(bits) * 2 ** exponent);
  });
}

/** One product as FP32, x [m, columns]. */
function product(own: Kernels, x: Uint16Array, weight: ReturnType<typeof awqWeight>) {
  const { rows, columns, groupSize, tensors } = weight;
  const m = x.length / columns;
  const handle = own.packWeight("awq", rows, columns, { ...tensors }, { groupSize });
  const input = own.createBuffer("bf16", x.length);
  const out = own.createBuffer("f32", m * rows);
  own.writeBuffer(input, 0, x);
  own.linear(handle, input, m, out);
  return Float32Array.from(own.readBuffer(out, 0, m * rows));
}

function awqWeight(rows: number, columns: number, groupSize: number) {
  const patterns = new Uint16Array(rows * columns);
  kernels.fillNormal(patterns, 5, 0, 0.05);
  const tensors = quantizeGroups(patterns, rows, columns, groupSize);
  return { rows, columns, groupSize, tensors };
}

/** The product of one token, from the definition. */
function expectedToken(x: Uint16Array, weight: ReturnType<typeof awqWeight>): number[] {
  const { rows, columns, groupSize, tensors } = weight;
  const groups = columns / groupSize;
  const fixed = Array.from({ length: groups }, (_, group) =>
    fixedPoint(x.subarray(group * groupSize, (group + 1) * groupSize)),
  );
  const numbers = fixed.flatMap((group) => Array.from(group.numbers));
  const numberScales = fixed.map(({ scale }) => scale);
  return Array.from({ length: rows }, (_, row) =>
    groupedProduct(numbers, numberScales, {
      codes: tensors.codes.subarray(row * columns, (row + 1) * columns),
      groupSize,
      zeros: tensors.zero.subarray(row * groups, (row + 1) * groups),
      scales: Float32Array.from(
        tensors.scale.subarray(row * groups, (row + 1) * groups),
        f16ToFloat,
      ),
    }),
  );
}

describe("fixed point", () => {
  test("is exact down to 1/64 of a group's largest, else off by half the scale at most", () => {
    const x = samples(235, 64);
    for (let start = 0; start < x.length; start += 64) {
      const values = Array.from(x.subarray(start, start + 64), bf16ToFloat);
      const { numbers, scale } = fixedPoint(x.subarray(start, start + 64));
      const largest = Math.max(...values.map(Math.abs));
      expect(Math.max(...numbers.map(Math.abs))).toBeLessThan(2 ** 14);
      for (const [i, value] of values.entries()) {
        const error = Math.abs((numbers[i] ?? Number.NaN) * scale - value);
        expect(error).toBeLessThanOrEqual(Math.abs(value) * 64 >= largest ? 0 : scale / 2);
        expect(error).toBeLessThanOrEqual(largest * 2 ** -14);
      }
    }
  });

  test("a group of zeros is zeros; one with a NaN or infinity is NaN", () => {
    const zeros = fixedPoint(new Uint16Array(32));
    expect(zeros.numbers).toEqual(new Int32Array(32));
    expect(zeros.scale).toBeGreaterThan(0);
    for (const pattern of [0x7f80, 0xff80, 0x7fc0]) {
      const { numbers, scale } = fixedPoint(Uint16Array.of(0x3f80, pattern));
      expect([...numbers, scale]).toEqual([0, 0, Number.NaN]);
    }
  });
});

test.each(variants)("$isa: products are the definition's, bit for bit, at any scale", (variant) => {
  for (const groupSize of [32, 64, 128]) {
    const weight = awqWeight(70, 5 * groupSize, groupSize);
    // 47 tokens of 5 groups: each power of two once.
    const x = samples(235, groupSize);
    const columns = weight.columns;
    const actual = product(variant.kernels, x, weight);
    for (let token = 0; token < 47; token++) {
      const wanted = expectedToken(x.subarray(token * columns, (token + 1) * columns), weight);
      const row = actual.subarray(token * 70, (token + 1) * 70);
      expect(row, `group ${groupSize}, token ${token}`).toEqual(Float32Array.from(wanted));
    }
  }
});

test.each(variants)("$isa: a NaN or infinity makes its token NaN, and no other", (variant) => {
  const weight = awqWeight(40, 128, 64);
  const x = samples(8, 64);
  const clean = product(variant.kernels, x, weight);
  for (const pattern of [0x7f80, 0xff80, 0x7fc0]) {
    x[128 + 77] = pattern;
    const actual = product(variant.kernels, x, weight);
    expect(actual.subarray(40, 80).every(Number.isNaN)).toBe(true);
    expect(actual.subarray(0, 40)).toEqual(clean.subarray(0, 40));
    expect(actual.subarray(80)).toEqual(clean.subarray(80));
  }
});
