/** Norms, bias, gate and conversions against the reference, under each instruction set. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BufferHandle, Kernels } from "./binding.ts";
import { loadEveryIsa } from "./every-isa.ts";
import { addBf16, bf16Array, fromBf16, rmsNormRow, siluMultiply, toBf16 } from "./reference.ts";

const variants = loadEveryIsa();

/** Deterministic values that look normal enough; `salt` makes another sequence. */
function values(count: number, salt: number, scale = 1): Float32Array {
  const patterns = new Uint16Array(count);
  const first = variants[0];
  if (first === undefined) throw new Error("no instruction set");
  first.kernels.fillNormal(patterns, salt, 0, scale);
  return Float32Array.from(patterns, fromBf16);
}

function bufferOf(kernels: Kernels, patterns: Uint16Array): BufferHandle {
  const buffer = kernels.createBuffer("bf16", patterns.length);
  kernels.writeBuffer(buffer, 0, patterns);
  return buffer;
}

/** BF16 patterns on a line, so that neighbours differ by one; NaN excluded by the callers. */
function ordinal(pattern: number): number {
  return pattern & 0x8000 ? -(pattern & 0x7fff) : pattern;
}

/** Largest distance in BF16 steps. */
function steps(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++)
    worst = Math.max(worst, Math.abs(ordinal(actual[i] ?? 0) - ordinal(expected[i] ?? 0)));
  return worst;
}

const tailLengths = [...Array.from({ length: 70 }, (_, i) => i + 1), 127, 576, 1000, 2048, 4099];

describe.each(variants)("$isa", ({ isa, kernels }) => {
  test("is the instruction set in use", () => {
    expect(kernels.cpu().isa).toBe(isa === "neon" ? "neon" : isa);
  });

  test("every BF16 value survives the conversion, and halves round to even", () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const source = Float32Array.from(patterns, fromBf16);
    const target = new Uint16Array(65536);
    kernels.convertToBf16(source, target);
    expect(target).toEqual(Uint16Array.from(source, toBf16));
    const between = new Float32Array(
      new Uint32Array(65536).map((_, i) => i * 65536 + 0x8000).buffer,
    );
    kernels.convertToBf16(between, target);
    expect(target).toEqual(Uint16Array.from(between, toBf16));
  });

  test("rmsNorm and addRmsNorm at every tail length", () => {
    for (const columns of tailLengths) {
      const rows = 3;
      const x = bf16Array(values(rows * columns, columns, 3));
      const residual = bf16Array(values(rows * columns, columns + 1, 0.5));
      const weight = bf16Array(values(columns, 7).map((value) => value + 1));
      const out = kernels.createBuffer("bf16", rows * columns);
      const handles = [x, residual, weight].map((patterns) => bufferOf(kernels, patterns));
      const [xBuffer, residualBuffer, weightBuffer] = handles;
      if (!xBuffer || !residualBuffer || !weightBuffer) throw new Error("three buffers");
      const expected = (patterns: Uint16Array): Uint16Array =>
        bf16Array(
          [0, 1, 2].flatMap((row) =>
            rmsNormRow(
              Array.from(patterns.subarray(row * columns, (row + 1) * columns), fromBf16),
              weight,
              1e-5,
            ),
          ),
        );
      kernels.rmsNorm(xBuffer, weightBuffer, 1e-5, rows, columns, out);
      // FP32 sums may put one value on the other side of each of the two roundings.
      expect(steps(kernels.readBuffer(out, 0, rows * columns), expected(x))).toBeLessThanOrEqual(2);
      kernels.addRmsNorm(residualBuffer, xBuffer, weightBuffer, 1e-5, rows, columns, out);
      const sum = addBf16(residual, x);
      expect(kernels.readBuffer(residualBuffer, 0, rows * columns)).toEqual(sum);
      expect(steps(kernels.readBuffer(out, 0, rows * columns), expected(sum))).toBeLessThanOrEqual(
        2,
      );
      for (const handle of [...handles, out]) kernels.freeBuffer(handle);
    }
  });

  test("addBias is exact at every tail length", () => {
    for (const columns of tailLengths) {
      const x = bf16Array(values(2 * columns, columns));
      const bias = bf16Array(values(columns, 5));
      const buffer = bufferOf(kernels, x);
      kernels.addBias(buffer, bufferOf(kernels, bias), 2, columns);
      const both = Uint16Array.from({ length: 2 * columns }, (_, i) => bias[i % columns] ?? 0);
      expect(kernels.readBuffer(buffer, 0, 2 * columns)).toEqual(addBf16(x, both));
    }
  });

  test("siluMultiply at every tail length and far out", () => {
    for (const n of tailLengths) {
      const gateUp = bf16Array(values(4 * n, n, n % 3 === 0 ? 40 : 2));
      const out = kernels.createBuffer("bf16", 2 * n);
      kernels.siluMultiply(bufferOf(kernels, gateUp), 2, n, out);
      const expected = Array.from({ length: 2 * n }, (_, i) => {
        const gate = Math.floor(i / n) * 2 * n + (i % n);
        return siluMultiply(fromBf16(gateUp[gate] ?? 0), fromBf16(gateUp[gate + n] ?? 0));
      });
      const actual = Array.from(kernels.readBuffer(out, 0, 2 * n), fromBf16);
      for (const [i, value] of actual.entries())
        expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThanOrEqual(
          Math.abs(expected[i] ?? 0) / 64 + 1e-30,
        );
    }
  });

  test("NaN goes through the gate and the norm", () => {
    const out = kernels.createBuffer("bf16", 2);
    kernels.siluMultiply(bufferOf(kernels, bf16Array([Number.NaN, 1, 1, 1])), 1, 2, out);
    expect(Array.from(kernels.readBuffer(out, 0, 2), fromBf16)[0]).toBeNaN();
    kernels.rmsNorm(
      bufferOf(kernels, bf16Array([Number.NaN, 1])),
      bufferOf(kernels, bf16Array([1, 1])),
      0,
      1,
      2,
      out,
    );
    expect(Array.from(kernels.readBuffer(out, 0, 2), fromBf16)).toEqual([Number.NaN, Number.NaN]);
  });
});

test("instruction sets and thread counts agree bit for bit on random shapes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 700 }),
      (rows, columns) => {
        const x = bf16Array(values(rows * columns, rows));
        const weight = bf16Array(values(columns, columns));
        const results = variants.flatMap(({ kernels }) =>
          [1, 2, 3].map((threads) => {
            kernels.setThreads(threads);
            const out = kernels.createBuffer("bf16", rows * columns);
            const input = bufferOf(kernels, x);
            kernels.rmsNorm(input, bufferOf(kernels, weight), 1e-6, rows, columns, out);
            return kernels.readBuffer(out, 0, rows * columns);
          }),
        );
        for (const result of results) expect(result).toEqual(results[0]);
      },
    ),
    { numRuns: 8 },
  );
});
