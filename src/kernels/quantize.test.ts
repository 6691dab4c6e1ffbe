/** The native quantizers and searches against slow references, under every instruction set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bf16ToFloat,
  f16ToFloat,
  floatToBf16,
  roundHalfEven,
  roundToF16,
} from "../formats/float16.ts";
import { minTileMaximum, quantizeWeights, tileShape } from "../formats/fp8/quantize.ts";
import { kernels, type ScaledMatrixArguments } from "./binding.ts";
import { loadEveryIsa } from "./every-isa.ts";

const { fround } = Math;
const threadsBefore = kernels.threads();
const variants = loadEveryIsa();
beforeAll(() => {
  for (const variant of variants) variant.kernels.setThreads(2);
});
afterAll(() => kernels.setThreads(threadsBefore));

const noise = (i: number) => Math.sin(i * i + 1);
const bf16Matrix = (count: number, scale: number) =>
  Uint16Array.from({ length: count }, (_, i) =>
    floatToBf16(noise(i) * (i % 61 ? scale : 9 * scale)),
  );

interface Int4Case {
  readonly rows: number;
  readonly columns: number;
  readonly groupSize: number;
  readonly scales: "f16" | "bf16";
  readonly symmetric: boolean;
}

const int4Cases: readonly Int4Case[] = [
  { rows: 5, columns: 256, groupSize: 128, scales: "f16", symmetric: false },
  { rows: 3, columns: 192, groupSize: 64, scales: "bf16", symmetric: false },
  { rows: 4, columns: 96, groupSize: 32, scales: "bf16", symmetric: true },
];

function argumentsOf(which: Int4Case): ScaledMatrixArguments {
  const { rows, columns, groupSize, scales, symmetric } = which;
  const weight = bf16Matrix(rows * columns, 0.05);
  const columnScale = Float32Array.from({ length: columns }, (_, k) => 0.5 + Math.abs(noise(k)));
  const rowScale = Float32Array.from({ length: rows }, (_, n) => 1 / (1 + n));
  return [weight, rows, columns, columnScale, rowScale, groupSize, scales, symmetric];
}

/** One group by the definition: values cut at the limit, then scale, zero and codes in FP32. */
function quantizeGroup(values: readonly number[], limit: number, which: Int4Case) {
  const cut = values.map((value) => Math.max(-limit, Math.min(limit, value)));
  const low = Math.min(0, ...cut);
  const high = Math.max(0, ...cut);
  const reach = which.symmetric ? fround(2 * Math.max(-low, high)) : fround(high - low);
  const exact = fround(Math.max(reach, roundToF16(1e-5)) / 15);
  const scale = roundToF16(which.scales === "bf16" ? bf16ToFloat(floatToBf16(exact)) : exact);
  const zero = which.symmetric ? 8 : Math.min(15, Math.max(0, roundHalfEven(fround(-low / scale))));
  const codes = cut.map((value) =>
    Math.max(0, Math.min(15, roundHalfEven(fround(value / scale)) + zero)),
  );
  return { scale, zero, codes };
}

function valuesOf(which: ScaledMatrixArguments, row: number, group: number, rowScaled: boolean) {
  const [weight, , columns, columnScale, rowScale, groupSize] = which;
  return Array.from({ length: groupSize }, (_, i) => {
    const k = group * groupSize + i;
    const scaled = fround(bf16ToFloat(weight[row * columns + k] ?? 0) * (columnScale[k] ?? 0));
    return rowScaled ? fround(scaled * (rowScale[row] ?? 0)) : scaled;
  });
}

describe.each(variants)("$isa", ({ kernels: native }) => {
  it.each(["tensor", "channel", "block"] as const)("E4M3 codes a %s", (granularity) => {
    const rows = 131;
    const columns = 200;
    const weight = bf16Matrix(rows * columns, 0.05);
    weight.fill(0, columns, 2 * columns);
    const tile = tileShape(granularity, rows, columns);
    const codes = new Uint8Array(rows * columns);
    const scale = new Float32Array(rows * Math.ceil(columns / tile.columns));
    const floor = minTileMaximum(granularity);
    native.quantizeE4m3(weight, rows, columns, tile.rows, tile.columns, floor, codes, scale);
    const expected = quantizeWeights(weight, rows, columns, granularity);
    expect(Buffer.compare(codes, expected.codes)).toBe(0);
    expect(scale).toEqual(expected.scale);
  });

  it("refuses NaN", () => {
    const weight = Uint16Array.of(0, 0x7fc0);
    const scale = new Float32Array(1);
    expect(() => native.quantizeE4m3(weight, 1, 2, 1, 2, 0, new Uint8Array(2), scale)).toThrow(
      /NaN or infinite/,
    );
  });

  it.each(int4Cases)("4-bit codes: groups of $groupSize, $scales scales", (which) => {
    const matrix = argumentsOf(which);
    const { rows, columns, groupSize } = which;
    const groups = columns / groupSize;
    const limit = Float32Array.from({ length: rows * groups }, (_, i) =>
      i % 2 === 0 ? Number.POSITIVE_INFINITY : 0.03,
    );
    const codes = new Uint8Array(rows * columns);
    const scale = new Uint16Array(rows * groups);
    const zero = new Uint8Array(rows * groups);
    native.quantizeInt4(...matrix, limit, codes, scale, zero);
    for (let row = 0; row < rows; row++) {
      for (let g = 0; g < groups; g++) {
        const at = row * groups + g;
        const values = valuesOf(matrix, row, g, true);
        const expected = quantizeGroup(values, limit[at] ?? 0, which);
        const first = row * columns + g * groupSize;
        expect([...codes.subarray(first, first + groupSize)]).toEqual(expected.codes);
        expect(zero[at]).toBe(expected.zero);
      }
    }
  });

  it.each(int4Cases)("output error: groups of $groupSize, $scales scales", (which) => {
    const matrix = argumentsOf(which);
    const { rows, columns, groupSize } = which;
    const tokens = 7;
    const x = bf16Matrix(tokens * columns, 1);
    let expected = 0;
    for (let row = 0; row < rows; row++) {
      const errors = Array.from({ length: columns / groupSize }, (_, g) => {
        const values = valuesOf(matrix, row, g, false);
        const { scale, zero, codes } = quantizeGroup(values, Number.POSITIVE_INFINITY, which);
        return codes.map((code, i) => {
          const column = matrix[3][g * groupSize + i] ?? 1;
          const error = fround(fround((code - zero) * scale) - (values[i] ?? 0));
          return bf16ToFloat(floatToBf16(fround(error / column)));
        });
      }).flat();
      for (let token = 0; token < tokens; token++) {
        const sum = errors.reduce(
          (total, error, k) => total + error * bf16ToFloat(x[token * columns + k] ?? 0),
          0,
        );
        expected += sum * sum;
      }
    }
    const found = native.outputError(...matrix, x, tokens);
    expect(Math.abs(found / expected - 1)).toBeLessThan(1e-4);
  });

  it.each(int4Cases)("limits: groups of $groupSize, $scales scales", (which) => {
    const matrix = argumentsOf(which);
    const { rows, columns, groupSize } = which;
    const groups = columns / groupSize;
    const x = bf16Matrix(21 * columns, 1);
    const gram = new Float32Array(columns * groupSize);
    native.addGram(x, 21, columns, groupSize, gram);
    const limit = new Float32Array(rows * groups);
    native.searchLimits(...matrix, gram, limit);
    let cuts = 0;
    for (let at = 0; at < rows * groups; at++) {
      const row = Math.floor(at / groups);
      const g = at % groups;
      const values = valuesOf(matrix, row, g, true);
      const reach = Math.max(...values.map(Math.abs));
      const errorAt = (cut: number) => {
        const { scale, zero, codes } = quantizeGroup(values, cut, which);
        const error = codes.map(
          (code, i) =>
            ((code - zero) * scale - (values[i] ?? 0)) / (matrix[3][g * groupSize + i] ?? 1),
        );
        let sum = 0;
        for (let token = 0; token < 21; token++) {
          const first = token * columns + g * groupSize;
          const output = error.reduce(
            (total, e, i) => total + e * bf16ToFloat(x[first + i] ?? 0),
            0,
          );
          sum += output * output;
        }
        return sum;
      };
      const errors = Array.from({ length: 10 }, (_, i) => errorAt(fround(reach * (1 - i / 20))));
      // Two candidates may be as good but for rounding, so the choice is held against the best error.
      expect(errorAt(limit[at] ?? 0)).toBeLessThan(1.001 * Math.min(...errors) + 1e-9);
      if ((limit[at] ?? 0) < reach) cuts++;
    }
    expect(cuts).toBeGreaterThan(0);
  });

  it.each(int4Cases)("descent: groups of $groupSize, $scales scales", (which) => {
    const matrix = argumentsOf(which);
    const { rows, columns, groupSize } = which;
    const groups = columns / groupSize;
    // Inputs that share a common part: errors of neighbours can cancel.
    const x = bf16Matrix(40 * columns, 1).map((bits, i) =>
      floatToBf16(bf16ToFloat(bits) + 2 * noise(Math.floor(i / columns))),
    );
    const gram = new Float32Array(columns * columns);
    native.addGram(x, 40, columns, columns, gram);
    const limit = new Float32Array(rows * groups).fill(Number.POSITIVE_INFINITY);
    const codes = new Uint8Array(rows * columns);
    const scale = new Uint16Array(rows * groups);
    const zero = new Uint8Array(rows * groups);
    native.quantizeInt4(...matrix, limit, codes, scale, zero);
    const errorOf = (row: number, found: Uint8Array) => {
      const error = Array.from({ length: columns }, (_, k) => {
        const g = Math.floor(k / groupSize);
        const value = valuesOf(matrix, row, g, true)[k % groupSize] ?? 0;
        const at = row * groups + g;
        const code = (found[row * columns + k] ?? 0) - (zero[at] ?? 0);
        return (code * f16ToFloat(scale[at] ?? 0) - value) / (matrix[3][k] ?? 1);
      });
      return Array.from({ length: 40 }, (_, token) => {
        const first = token * columns;
        return error.reduce((sum, e, k) => sum + e * bf16ToFloat(x[first + k] ?? 0), 0) ** 2;
      }).reduce((a, b) => a + b, 0);
    };
    const nearest = codes.slice();
    native.descendCodes(...matrix, columns, gram, scale, zero, codes);
    for (let row = 0; row < rows; row++) {
      expect(errorOf(row, codes)).toBeLessThan(0.7 * errorOf(row, nearest));
    }
    expect(Math.max(...codes)).toBeLessThanOrEqual(15);
  });

  it("Gram matrices and magnitudes", () => {
    const tokens = 19;
    const columns = 64;
    const x = bf16Matrix(tokens * columns, 1);
    const at = (token: number, k: number) => bf16ToFloat(x[token * columns + k] ?? 0);
    const gram = new Float32Array(columns * 32);
    native.addGram(x, tokens, columns, 32, gram);
    const sums = new Float32Array(columns);
    native.addMagnitudes(x, tokens, columns, 0, sums);
    const relative = new Float32Array(columns);
    native.addMagnitudes(x, tokens, columns, 32, relative);
    const overTokens = (term: (token: number) => number) =>
      Array.from({ length: tokens }, (_, token) => term(token)).reduce((a, b) => a + b, 0);
    for (let k = 0; k < columns; k++) {
      const base = Math.floor(k / 32) * 32;
      for (let j = 0; j < 32; j++) {
        const expected = overTokens((token) => at(token, k) * at(token, base + j));
        expect(gram[k * 32 + j]).toBeCloseTo(expected, 3);
      }
      expect(sums[k]).toBeCloseTo(
        overTokens((token) => Math.abs(at(token, k))),
        3,
      );
      const largest = (token: number) =>
        Math.max(...Array.from({ length: 32 }, (_, i) => Math.abs(at(token, base + i))));
      const share = overTokens((token) => Math.abs(at(token, k)) / (largest(token) + 1e-6));
      expect(relative[k]).toBeCloseTo(share, 3);
    }
  });
});
