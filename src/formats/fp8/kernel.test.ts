/** The E4M3 kernel under every instruction set: each code, the cast, and the scale of each token. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Kernels, WeightHandle } from "../../kernels/binding.ts";
import { loadEveryIsa } from "../../kernels/every-isa.ts";
import { bf16ToFloat, bitsFloat, floatToBf16, floatToF16, f16ToFloat } from "../float16.ts";
import { decodeE4m3, e4m3Values, encodeE4m3 } from "./codec.ts";
import { fp8 } from "./index.ts";
import { cutActivations, quantizeActivationRows, quantizeWeights } from "./quantize.ts";

const variants = loadEveryIsa();

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** x [m, columns] times a weight of `rows` rows, as FP32. */
function product(kernels: Kernels, weight: WeightHandle, x: Uint16Array, m: number, rows: number) {
  const input = kernels.createBuffer("bf16", x.length);
  const out = kernels.createBuffer("f32", m * rows);
  kernels.writeBuffer(input, 0, x);
  kernels.linear(weight, input, m, out);
  return kernels.readBuffer(out, 0, m * rows);
}

describe("the codec, exhaustively", () => {
  // Digests of quantization-formats.md, section 1.5, made by an exact nearest-even search.
  test("decodes 256 codes", () => {
    const table = new DataView(new ArrayBuffer(1024));
    for (const [code, value] of e4m3Values.entries()) table.setFloat32(4 * code, value, true);
    table.setUint32(4 * 0x7f, 0x7fc00000, true);
    table.setUint32(4 * 0xff, 0xffc00000, true);
    expect(sha256(new Uint8Array(table.buffer))).toBe(
      "fbfd40716d3eddc590ca82a86c34208d486f88eb69e6a04dbfc62b158dec4d2f",
    );
  });

  test("casts every BF16 and every F16 pattern", () => {
    expect(sha256(Uint8Array.from(patterns, (bits) => encodeE4m3(bf16ToFloat(bits))))).toBe(
      "2f8096b3b00699a86e3e44c61fc0287c5111ab4b4e3d1ad604f6f3a5b3eca0db",
    );
    expect(sha256(Uint8Array.from(patterns, (bits) => encodeE4m3(f16ToFloat(bits))))).toBe(
      "0212e2599adcd3301d3bad890a053b8b41e514049b9988db67e77c2e21e464ce",
    );
  });

  test("FP32 halves and edges, F16 against a search of all its numbers", () => {
    const edges: readonly [number, number][] = [
      [2 ** -10, 0x00],
      [bitsFloat(0x3a800001), 0x01],
      [7.5 * 2 ** -9, 0x08],
      [Math.fround(0.1), 0x1d],
      [1.0625, 0x38],
      [1.1875, 0x3a],
      [464, 0x7e],
      [-1000, 0xfe],
      [Number.POSITIVE_INFINITY, 0x7e],
      [Number.NaN, 0x7f],
    ];
    for (const [value, code] of edges) expect(encodeE4m3(value)).toBe(code);
    for (const bits of [0, 1, 0x03ff, 0x0400, 0x7bff, 0xfbff])
      expect(floatToF16(f16ToFloat(bits))).toBe(bits);
  });
});

describe.each(variants)("$isa", ({ kernels }) => {
  test("every code is its value in the weight and in the product", () => {
    const columns = 7;
    const scale = Float32Array.from({ length: 256 }, (_, row) => Math.fround(0.01 + row / 100));
    const weight = new Uint8Array(256 * columns);
    for (let row = 0; row < 256; row++) weight[row * columns + (row % columns)] = row;
    const handle = kernels.packWeight("fp8", 256, columns, { weight, scale }, {});
    // 448 has the code of 448 and scale 1, so the products are exact.
    const x = new Uint16Array(columns).fill(floatToBf16(448));
    const actual = product(kernels, handle, x, 1, 256);
    for (let row = 0; row < 256; row++) {
      const factor = scale[row] ?? 0;
      const value = Math.fround(decodeE4m3(row) * factor);
      expect(kernels.dequantizeRow(handle, row)[row % columns]).toBe(value);
      // A sum that starts at +0 is never -0.
      expect(actual[row]).toBe(Math.fround(448 * decodeE4m3(row) * factor) + 0);
    }
  });

  test("the native cast is the codec's for every BF16 weight up to 448", () => {
    const finite = patterns.filter((bits) => (bits & 0x7fff) <= floatToBf16(448));
    const columns = 64;
    const rows = Math.ceil(finite.length / (columns - 1));
    // Each row begins with 448, so that its scale is 1.
    const weight = new Uint16Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      weight[row * columns] = floatToBf16(448);
      weight.set(finite.subarray(row * 63, (row + 1) * 63), row * columns + 1);
    }
    const handle = kernels.quantizeWeight("fp8", rows, columns, weight, {});
    for (let row = 0; row < rows; row++)
      expect(kernels.dequantizeRow(handle, row)).toEqual(
        Float32Array.from(weight.subarray(row * columns, (row + 1) * columns), (bits) =>
          decodeE4m3(encodeE4m3(bf16ToFloat(bits))),
        ),
      );
  });

  test("weights of any scale are quantize.ts, code for code", () => {
    const [rows, columns] = [64, 96];
    const weight = new Uint16Array(rows * columns);
    kernels.fillNormal(weight, 9, 0, 1);
    for (let i = 0; i < weight.length; i++) {
      // Scales from 2^-120 to 2^120, a row each.
      const value = bf16ToFloat(weight[i] ?? 0) * 2 ** ((Math.floor(i / columns) - 32) * 3.75);
      weight[i] = floatToBf16(value);
    }
    const { codes, scale } = quantizeWeights(weight, rows, columns, "channel");
    const handle = kernels.quantizeWeight("fp8", rows, columns, weight, {});
    for (let row = 0; row < rows; row++)
      expect(kernels.dequantizeRow(handle, row)).toEqual(
        Float32Array.from(codes.subarray(row * columns, (row + 1) * columns), (code) =>
          Math.fround(decodeE4m3(code) * (scale[row] ?? 0)),
        ),
      );
  });

  test("tokens are divided by their scale, also the smallest one", () => {
    const identity = new Uint8Array(64).map((_, i) => (i % 9 === 0 ? 0x38 : 0));
    const scale = new Float32Array(8).fill(1);
    const handle = kernels.packWeight("fp8", 8, 8, { weight: identity, scale }, {});
    const tokens = [
      [0.5, -1.25, 3, -0.0078125, 0, 2.9, 0.001, -0.3],
      [1e-4, -5e-4, 2e-4, 0, 0, 0, 0, 0],
      // The second quotient is a tie that a multiplication by the reciprocal rounds the other way.
      [1.078125, 4.935264587402344e-5, 0, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ];
    const x = Uint16Array.from(tokens.flat(), floatToBf16);
    const rows = quantizeActivationRows(x, 4, 8);
    expect(Array.from(rows.codes.subarray(0, 8))).toEqual([
      0x69, 0xf4, 0x7e, 0xb9, 0x00, 0x7e, 0x22, 0xe3,
    ]);
    expect(Array.from(rows.codes.subarray(8, 11))).toEqual([0x5b, 0xee, 0x63]);
    expect(rows.scale[1]).toBe(bitsFloat(0x36924925));
    expect(rows.codes[17]).toBe(0x0a);
    const expected = Float32Array.from(
      rows.codes,
      (code, i) => decodeE4m3(code) * (rows.scale[Math.floor(i / 8)] ?? 0),
    );
    // Through the product: sums of one term, so only the scales round.
    const actual = product(kernels, handle, x, 4, 8);
    expect(actual.map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
  });

  test("a fixed scale multiplies by its reciprocal and cuts at 448, over every BF16 value", () => {
    const columns = 64;
    const identity = new Uint8Array(columns * columns).fill(0);
    for (let i = 0; i < columns; i++) identity[i * columns + i] = 0x38;
    const scale = new Float32Array(columns).fill(1);
    const input = Math.fround(0.0173);
    const pack = (inputScale: Float32Array) =>
      kernels.packWeight("fp8", columns, columns, { weight: identity, scale, inputScale }, {});
    // NaN would spread over its row.
    const x = patterns.map((bits) => (Number.isNaN(bf16ToFloat(bits)) ? 0 : bits));
    const rows = x.length / columns;
    const expected = Float32Array.from(
      cutActivations(x, input),
      (code) => Math.fround(decodeE4m3(code) * input) + 0,
    );
    expect(Math.max(...expected)).toBe(Math.fround(448 * input));
    const handle = pack(Float32Array.of(input));
    for (const m of [rows, 3]) {
      const part = x.subarray(0, m * columns);
      const actual = product(kernels, handle, part, m, columns);
      expect(actual.map((value) => value + 0)).toEqual(expected.subarray(0, m * columns));
    }
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => pack(Float32Array.of(wrong))).toThrow(/inputScale/);
  });

  test("block-wise weights keep their codes and the scale of each 128 columns", () => {
    const [rows, columns] = [37, 300];
    const weight = Uint8Array.from({ length: rows * columns }, (_, i) => ((i * 37) % 254) % 127);
    const scale = Float32Array.from({ length: rows * 3 }, (_, i) => 2 ** ((i % 23) - 11) * 1.1);
    const handle = kernels.packWeight("fp8", rows, columns, { weight, scale }, { groupSize: 128 });
    const { values } = fp8.dequantize({ weight, scale }, rows, columns);
    for (let row = 0; row < rows; row++)
      expect(kernels.dequantizeRow(handle, row)).toEqual(
        values.subarray(row * columns, (row + 1) * columns),
      );
  });

  test("NaN and infinity in a token make its row NaN and no other", () => {
    const weight = new Uint16Array(20 * 40);
    kernels.fillNormal(weight, 1, 0, 1);
    const handle = kernels.quantizeWeight("fp8", 20, 40, weight, {});
    const x = new Uint16Array(3 * 40).fill(floatToBf16(1));
    x[5] = 0x7fc0;
    x[45] = 0x7f80;
    const actual = product(kernels, handle, x, 3, 20);
    expect(actual.subarray(0, 40).every(Number.isNaN)).toBe(true);
    expect(actual.subarray(40).some(Number.isNaN)).toBe(false);
  });
});
