/** The INT4 kernel under every instruction set: each code with each zero point, and any scale. */
import { describe, expect, test } from "vitest";
import { loadEveryIsa } from "../../kernels/every-isa.ts";
import { bf16ToFloat, f16ToFloat, floatToBf16 } from "../float16.ts";
import type { WeightOptions } from "../../kernels/binding.ts";
import { packGemm, unpackGemm } from "./codec.ts";
import { dequantizeGroups, quantizeGroups } from "./quantize.ts";

const variants = loadEveryIsa();

test("all 16 codes in all 8 places survive the storage of AutoAWQ", () => {
  const [inputs, outputs] = [16, 16];
  const codes = Uint8Array.from(
    { length: inputs * outputs },
    (_, i) => (i + Math.floor(i / 16)) % 16,
  );
  const unpacked = new Uint8Array(codes.length);
  unpackGemm(packGemm(codes, inputs, outputs), inputs, outputs, unpacked);
  expect(unpacked).toEqual(codes);
});

describe.each(variants)("$isa", ({ kernels }) => {
  // Row r: zero point r % 16, codes 0 to 15 twice a group, scales from the smallest F16 to the largest.
  const groupSize = 32;
  const [rows, columns] = [48, 64];
  const codes = Uint8Array.from({ length: rows * columns }, (_, i) => i % 16);
  const zero = Uint8Array.from({ length: rows * 2 }, (_, i) => Math.floor(i / 2) % 16);
  const scale = Uint16Array.from({ length: rows * 2 }, (_, i) => 1 + Math.round((i * 0x7bfe) / 95));
  const tensors = { codes, scale, zero };

  test("every code minus every zero point is exact in the weight and in the product", () => {
    const handle = kernels.packWeight("awq", rows, columns, tensors, { groupSize });
    const values = dequantizeGroups(tensors, groupSize);
    const m = columns;
    // Row k of x picks column k, so that each sum has one term.
    const one = floatToBf16(1);
    const x = new Uint16Array(m * columns).map((_, i) => (i % (columns + 1) === 0 ? one : 0));
    const input = kernels.createBuffer("bf16", x.length);
    const out = kernels.createBuffer("f32", m * rows);
    kernels.writeBuffer(input, 0, x);
    const everyShare = [m, 1, 2, 3, 4].map((count) => {
      kernels.linear(handle, input, count, out);
      return kernels.readBuffer(out, 0, count * rows);
    });
    for (let row = 0; row < rows; row++) {
      const wanted = values.subarray(row * columns, (row + 1) * columns);
      expect(kernels.dequantizeRow(handle, row)).toEqual(wanted.map((value) => value + 0));
      for (const share of everyShare)
        for (let k = 0; k * rows < share.length; k++)
          expect((share[k * rows + row] ?? 0) + 0).toBe((wanted[k] ?? 0) + 0);
    }
  });

  test("the plain kernel rounds each dequantized weight to BF16, and nothing else", () => {
    const [n, k, m] = [80, 256, 19];
    const weight = new Uint16Array(n * k);
    const x = new Uint16Array(m * k);
    kernels.fillNormal(weight, 1, 0, 1);
    kernels.fillNormal(x, 2, 0, 1);
    const input = kernels.createBuffer("bf16", x.length);
    const out = kernels.createBuffer("f32", m * n);
    kernels.writeBuffer(input, 0, x);
    const product = (options: WeightOptions) => {
      const handle = kernels.quantizeWeight("awq", n, k, weight, options);
      kernels.linear(handle, input, m, out);
      return kernels.readBuffer(out, 0, m * n);
    };
    const fused = product({ groupSize: 64 });
    const plain = product({ groupSize: 64, kernel: "plain" });
    expect(plain).not.toEqual(fused);
    const values = dequantizeGroups(quantizeGroups(weight, n, k, 64), 64);
    for (const [i, value] of plain.entries()) {
      const [token, row] = [Math.floor(i / n), i % n];
      let magnitudes = 0;
      for (let c = 0; c < k; c++) {
        const weightHere = values[row * k + c] ?? 0;
        magnitudes += Math.abs(weightHere * bf16ToFloat(x[token * k + c] ?? 0));
      }
      // Half a unit of BF16's last place a weight, and FP32 sums on both sides.
      expect(Math.abs(value - (fused[i] ?? 0))).toBeLessThan(magnitudes * (2 ** -9 + 2 ** -15));
    }
  });

  test("a kernel that a format does not have is refused", () => {
    const weight = new Uint16Array(32 * 32);
    const make = (format: string, kernel: string) => () =>
      kernels.quantizeWeight(format, 32, 32, weight, { groupSize: 32, kernel });
    expect(make("awq", "marlin")).toThrow(/no kernel "marlin"/);
    for (const format of ["bf16", "fp8", "int8"])
      expect(make(format, "plain")).toThrow(/no kernel "plain"/);
  });

  test("weights of any size are quantize.ts, code for code", () => {
    for (const size of [32, 64, 128]) {
      const [n, k] = [80, 256];
      const weight = new Uint16Array(n * k);
      kernels.fillNormal(weight, size, 0, 1);
      for (let i = 0; i < weight.length; i++) {
        // From 2^-30, under F16's smallest, to 2^13, a row each.
        const row = Math.floor(i / k);
        const value = new Float32Array(new Uint32Array([(weight[i] ?? 0) << 16]).buffer)[0] ?? 0;
        weight[i] = floatToBf16(value * 2 ** ((row * 43) / 79 - 30));
      }
      const expected = quantizeGroups(weight, n, k, size);
      const values = dequantizeGroups(expected, size);
      const handle = kernels.quantizeWeight("awq", n, k, weight, { groupSize: size });
      for (let row = 0; row < n; row++)
        expect(kernels.dequantizeRow(handle, row)).toEqual(
          values.subarray(row * k, (row + 1) * k).map((value) => value + 0),
        );
    }
  });

  test("codes, zeros and scales out of range, and odd group sizes, are refused", () => {
    const pack =
      (changed: object, size = groupSize) =>
      () =>
        kernels.packWeight("awq", rows, columns, { ...tensors, ...changed }, { groupSize: size });
    expect(pack({ codes: codes.map((code, i) => (i === 77 ? 16 : code)) })).toThrow(/above 15/);
    expect(pack({ zero: zero.map((code, i) => (i === 9 ? 200 : code)) })).toThrow(/above 15/);
    expect(pack({ scale: scale.map((bits, i) => (i === 3 ? 0x7e00 : bits)) })).toThrow(/finite/);
    expect(pack({}, 48)).toThrow(RangeError);
    expect(pack({}, 128)).toThrow(/multiple/);
    expect(f16ToFloat(scale.at(-1) ?? 0)).toBe(65504);
  });
});
