/** The suite that every format passes under every instruction set; registry.test.ts runs it. */
import { describe, expect, test } from "vitest";
import type { BufferHandle, Kernels, WeightHandle } from "../kernels/binding.ts";
import type { IsaVariant } from "../kernels/every-isa.ts";
import { linear, type ReferenceProduct, toBf16 } from "../kernels/reference.ts";
import { decodeBf16 } from "./float16.ts";
import type { Format, FormatOptions } from "./format.ts";

/** A matrix, its activations and what their product should be. */
interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly m: number;
  readonly weight: Uint16Array;
  readonly x: Uint16Array;
}

/** Options with which a format takes any number of columns that is a multiple of `step`. */
export interface ConformanceSetting {
  readonly options: FormatOptions;
  readonly step: number;
}

/** Seeded samples of N(0, 1). */
function samples(kernels: Kernels, count: number, seed: number): Uint16Array {
  const patterns = new Uint16Array(count);
  kernels.fillNormal(patterns, seed, 0, 1);
  return patterns;
}

function caseOf(kernels: Kernels, rows: number, columns: number, m: number): Case {
  const weight = samples(kernels, rows * columns, rows + 1000 * columns);
  return { rows, columns, m, weight, x: samples(kernels, m * columns, m + 7) };
}

/** The product of dequantized weights and rounded activations; awq's fixed point (activations.ts) is such a rounding. */
function expectedProduct(format: Format, setting: ConformanceSetting, input: Case) {
  const { rows, columns, m, weight, x } = input;
  const tensors = format.quantize(weight, rows, columns, setting.options);
  const { values } = format.dequantize(tensors, rows, columns, setting.options);
  const activations =
    format.roundActivations?.(x, m, columns, setting.options).values ?? decodeBf16(x);
  return linear(activations, values, m, rows, columns);
}

/** A live weight and buffers around one native call. */
function nativeLinear(
  kernels: Kernels,
  handle: WeightHandle,
  input: Pick<Case, "rows" | "m" | "x">,
  dtype: "f32" | "bf16",
): Float32Array | Uint16Array {
  const x = kernels.createBuffer("bf16", input.x.length);
  const out = kernels.createBuffer(dtype, input.m * input.rows);
  kernels.writeBuffer(x, 0, input.x);
  kernels.linear(handle, x, input.m, out);
  const result = kernels.readBuffer(out, 0, input.m * input.rows);
  for (const buffer of [x, out] satisfies BufferHandle[]) kernels.freeBuffer(buffer);
  if (result instanceof Int32Array) throw new TypeError("no product is i32");
  return result;
}

function quantized(kernels: Kernels, format: Format, setting: ConformanceSetting, input: Case) {
  const { rows, columns, weight } = input;
  return kernels.quantizeWeight(format.name, rows, columns, weight, setting.options);
}

/**
 * Largest error in units of the bound: a chain of n FP32 sums is off by at most n 2^-24 of the sum of
 * magnitudes; the four extra are the scales' roundings.
 */
function errorInBounds(actual: ArrayLike<number>, wanted: ReferenceProduct, columns: number) {
  const unit = (columns + 4) * 2 ** -24;
  return wanted.values.reduce((worst, value, i) => {
    const bound = unit * (wanted.magnitudes[i] ?? 0);
    const error = Math.abs((actual[i] ?? Number.NaN) - value);
    return error <= bound ? worst : Math.max(worst, error / bound);
  }, 0);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1);
}

/** Rows, columns and m: each length from 1 to 129 once, the others small. */
function tailShapes(step: number): [number, number, number][] {
  const columns = Math.max(step, 24);
  return [
    ...range(129).map((rows): [number, number, number] => [rows, columns, 2]),
    ...range(129)
      .filter((count) => count % step === 0)
      .map((count): [number, number, number] => [17, count, 3]),
    ...range(129).map((m): [number, number, number] => [5, columns, m]),
  ];
}

function shapeTests(format: Format, setting: ConformanceSetting, variants: readonly IsaVariant[]) {
  const first = variants[0]?.kernels;
  if (first === undefined) throw new Error("no instruction set");

  test("the product is the reference's at every tail length", () => {
    for (const [rows, columns, m] of tailShapes(setting.step)) {
      const input = caseOf(first, rows, columns, m);
      const wanted = expectedProduct(format, setting, input);
      for (const { isa, kernels } of variants) {
        const handle = quantized(kernels, format, setting, input);
        const actual = nativeLinear(kernels, handle, input, "f32");
        kernels.freeWeight(handle);
        const error = errorInBounds(actual, wanted, columns);
        expect(error, `${isa} [${rows}, ${columns}] m ${m}, error / bound`).toBe(0);
      }
    }
  });

  test("the product is the reference's where columns and rows span several blocks", () => {
    for (const [rows, columns, m] of [
      [70, 1280, 5],
      [33, 640, 263],
    ] as const) {
      const input = caseOf(first, rows, columns, m);
      const wanted = expectedProduct(format, setting, input);
      for (const { isa, kernels } of variants) {
        const handle = quantized(kernels, format, setting, input);
        const error = errorInBounds(nativeLinear(kernels, handle, input, "f32"), wanted, columns);
        expect(error, `${isa} [${rows}, ${columns}] m ${m}, error / bound`).toBe(0);
      }
    }
  });
}

function variantTests(format: Format, setting: ConformanceSetting, { isa, kernels }: IsaVariant) {
  const { options, step } = setting;

  test("native quantization is quantize.ts, code for code, through pack and unpack", () => {
    const [rows, columns] = [37, 5 * Math.max(step, 8)];
    const weight = samples(kernels, rows * columns, 3);
    // A row of zeros, a row of one sign, a row of tiny values.
    weight.fill(0, 0, columns);
    for (let i = columns; i < 2 * columns; i++) weight[i] = (weight[i] ?? 0) & 0x7fff;
    for (let i = 2 * columns; i < 3 * columns; i++) weight[i] = 0x0080 + (i % 64);
    const tensors = format.quantize(weight, rows, columns, options);
    const { values } = format.dequantize(tensors, rows, columns, options);
    const handles = [
      kernels.packWeight(format.name, rows, columns, tensors, options),
      kernels.quantizeWeight(format.name, rows, columns, weight, options),
    ];
    for (const handle of handles)
      for (let row = 0; row < rows; row++)
        expect(kernels.dequantizeRow(handle, row)).toEqual(
          values.subarray(row * columns, (row + 1) * columns),
        );
  });

  test("a row's bits depend neither on the other rows nor on threads; BF16 is FP32 rounded", () => {
    const input = caseOf(kernels, 150, 640, 11);
    const handle = quantized(kernels, format, setting, input);
    const together = nativeLinear(kernels, handle, input, "f32");
    for (const threads of [1, 2, 3]) {
      kernels.setThreads(threads);
      expect(nativeLinear(kernels, handle, input, "f32")).toEqual(together);
      for (let row = 0; row < input.m; row++) {
        const x = input.x.subarray(row * 640, (row + 1) * 640);
        // BF16 on AMX: one row alone takes the path of AVX-512, two take the tiles. Whole numbers are exact.
        const isExact = format.compute === "int8" && options.kernel === undefined;
        const isPaired = isa === "amx" && !isExact;
        const alone = isPaired ? { m: 2, x: Uint16Array.of(...x, ...x) } : { m: 1, x };
        const actual = nativeLinear(kernels, handle, { ...input, ...alone }, "f32");
        expect(actual.subarray(0, 150)).toEqual(together.subarray(row * 150, (row + 1) * 150));
      }
    }
    kernels.setThreads(2);
    const rounded = nativeLinear(kernels, handle, input, "bf16");
    expect(rounded).toEqual(Uint16Array.from(together, toBf16));
  });

  test("bitsPerWeight is what is allocated", () => {
    const [rows, columns] = [64, 1024];
    const before = kernels.memory().weightBytes;
    const handle = quantized(kernels, format, setting, caseOf(kernels, rows, columns, 1));
    const bytes = kernels.weightBytes(handle);
    expect(kernels.memory().weightBytes - before).toBe(bytes);
    expect((bytes * 8) / (rows * columns)).toBe(format.bitsPerWeight(columns, options));
    kernels.freeWeight(handle);
    expect(kernels.memory().weightBytes).toBe(before);
    expect(() => kernels.weightBytes(handle)).toThrow(RangeError);
  });

  test("wrong tensors and weights that are not finite are refused", () => {
    const columns = Math.max(step, 8);
    const weight = samples(kernels, 2 * columns, 1);
    const tensors = format.quantize(weight, 2, columns, options);
    const pack = (changed: Record<string, Uint8Array | Uint16Array | Float32Array>) => () =>
      kernels.packWeight(format.name, 2, columns, { ...tensors, ...changed }, options);
    for (const [name, tensor] of Object.entries(tensors)) {
      expect(pack({ [name]: tensor.subarray(1) })).toThrow(RangeError);
      expect(pack({ [name]: new Float32Array(tensor.length).subarray(1) })).toThrow();
    }
    expect(() => kernels.quantizeWeight(format.name, 3, columns, weight, options)).toThrow(
      RangeError,
    );
    if (format.bitsPerWeight(columns, options) === 16) return;
    for (const pattern of [0x7f80, 0xff80, 0x7fc0]) {
      const broken = Uint16Array.from(weight, (bits, i) => (i === columns + 1 ? pattern : bits));
      expect(() => kernels.quantizeWeight(format.name, 2, columns, broken, options)).toThrow(
        RangeError,
      );
    }
  });
}

/** Registers the suite of one format with vitest. */
export function describeFormat(
  format: Format,
  setting: ConformanceSetting,
  variants: readonly IsaVariant[],
): void {
  describe(`${format.name} ${JSON.stringify(setting.options)}`, () => {
    shapeTests(format, setting, variants);
    describe.each(variants)("$isa", (variant) => variantTests(format, setting, variant));
  });
}
