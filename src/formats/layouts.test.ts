/** Every layout of every format: what it writes it reads back, and what does not fit is refused. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { QuantizationConfig } from "../checkpoint/model-config.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import { type TensorToWrite, writeSafetensors } from "../checkpoint/writer.ts";
import { kernels } from "../kernels/binding.ts";
import { bf16ToFloat, floatToBf16, floatToF16 } from "./float16.ts";
import type { CanonicalMatrix, Format, FormatOptions, Layout } from "./format.ts";
import { formatByName, formatOfCheckpoint, formats } from "./registry.ts";
import { bytesOf } from "./tensors.ts";

const folder = mkdtempSync(join(tmpdir(), "quantlab-layouts-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.safetensors");

/** A repeatable matrix of BF16 patterns with a few large entries. */
function weights(rows: number, columns: number): Uint16Array {
  return Uint16Array.from({ length: rows * columns }, (_, i) =>
    floatToBf16(Math.sin(i * 12.9898) * (i % 97 === 0 ? 0.5 : 0.05)),
  );
}

function quantized(format: Format, options: FormatOptions, rows: number, columns: number) {
  const tensors = { ...format.quantize(weights(rows, columns), rows, columns, options) };
  if (options.activations === "static") tensors.inputScale = Float32Array.of(0.25);
  return { rows, columns, tensors } satisfies CanonicalMatrix;
}

/** A matrix as text: comparing long typed arrays element by element takes seconds. */
const asText = ({ rows, columns, tensors }: CanonicalMatrix) => ({
  rows,
  columns,
  tensors: Object.entries(tensors)
    .sort()
    .map(([name, values]) => `${name} ${Buffer.from(bytesOf(values)).toString("base64")}`),
});

function open(tensors: readonly TensorToWrite[]): TensorSource {
  writeSafetensors(path, tensors);
  return SafetensorsFile.open(path);
}

interface Case {
  readonly format: Format;
  readonly layout: Layout;
  readonly options: FormatOptions;
}

const variants: readonly (FormatOptions & { readonly format: string; readonly layout: string })[] =
  [
    { format: "awq", layout: "autoawq", groupSize: 64 },
    { format: "awq", layout: "autoawq", groupSize: 128 },
    { format: "awq", layout: "compressed-tensors", groupSize: 32 },
    { format: "awq", layout: "compressed-tensors", groupSize: 128, symmetric: true },
    { format: "fp8", layout: "compressed-tensors", granularity: "channel" },
    { format: "fp8", layout: "compressed-tensors", granularity: "tensor", activations: "static" },
    { format: "fp8", layout: "compressed-tensors", granularity: "tensor" },
    { format: "fp8", layout: "compressed-tensors", granularity: "block" },
    { format: "fp8", layout: "fp8", granularity: "tensor" },
    { format: "fp8", layout: "fp8", granularity: "tensor", activations: "static" },
    { format: "fp8", layout: "fp8", granularity: "block" },
    { format: "int8", layout: "compressed-tensors" },
  ];

function caseOf({ format: name, ...options }: (typeof variants)[number]): Case {
  const format = formatByName(name);
  const layout = format.layouts.find((candidate) => candidate.name === options.layout);
  if (layout === undefined) throw new Error(`${name} has no layout ${options.layout}`);
  return { format, layout, options };
}

const cases = variants.map((variant) => [JSON.stringify(variant), caseOf(variant)] as const);

describe.each(cases)("%s", (_, { format, layout, options }) => {
  const config = layout.configOf(options, ["lm_head"]);

  it("is announced by a block that leads back to the format and its options", () => {
    expect(formats.filter((candidate) => candidate.detect(config))).toEqual([format]);
    expect(format.optionsOf(JSON.parse(JSON.stringify(config)))).toEqual(options);
  });

  it("reads back what it wrote, module by module and stacked", () => {
    const first = quantized(format, options, 136, 256);
    const second = quantized(format, options, 48, 256);
    const source = open([
      ...layout.tensorsOf("a", first, options),
      ...layout.tensorsOf("b", second, options),
    ]);
    expect(asText(format.read(source, ["a"], options))).toEqual(asText(first));
    expect(asText(format.read(source, ["b"], options))).toEqual(asText(second));
    const both = format.read(source, ["a", "b"], options);
    const half = format.dequantize(first.tensors, 136, 256, options).values;
    const whole = format.dequantize(both.tensors, 184, 256, options).values;
    expect(Buffer.compare(bytesOf(whole.subarray(0, half.length)), bytesOf(half))).toBe(0);
    source.close();
  });

  it("loses no more than the format's step", () => {
    const { tensors } = quantized(format, options, 136, 256);
    const { values } = format.dequantize(tensors, 136, 256, options);
    const exact = Float32Array.from(weights(136, 256), bf16ToFloat);
    const error = values.reduce((sum, value, i) => sum + (value - (exact[i] ?? 0)) ** 2, 0);
    const power = exact.reduce((sum, value) => sum + value ** 2, 0);
    expect(Math.sqrt(error / power)).toBeLessThan(format.name === "awq" ? 0.35 : 0.05);
  });
});

describe("the vectors of the specification", () => {
  const awq = formatByName("awq");

  function codesRow(values: readonly number[]): CanonicalMatrix {
    const codes = new Uint8Array(8 * 32);
    for (const [row, value] of values.entries()) codes.fill(value, row * 32, (row + 1) * 32);
    const scale = new Uint16Array(8).fill(floatToF16(1));
    return { rows: 8, columns: 32, tensors: { codes, scale, zero: Uint8Array.from(values) } };
  }

  function firstWord(tensors: readonly TensorToWrite[], suffix: string): number | undefined {
    const bytes = tensors.find(({ name }) => name === `m.${suffix}`)?.read();
    return bytes && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  it.each([
    [[0, 1, 2, 3, 4, 5, 6, 7], 0x75316420],
    [[8, 9, 10, 11, 12, 13, 14, 15], 0xfdb9eca8],
    [[0, 0, 0, 15, 0, 0, 0, 0], 0x00f00000],
    [[5, 5, 5, 5, 5, 5, 5, 5], 0x55555555],
    [[1, 2, 3, 4, 5, 6, 7, 8], 0x86427531],
    [[15, 14, 13, 12, 11, 10, 9, 0], 0x0ace9bdf],
  ])("channels %j interleave to one GEMM word", (values, word) => {
    const { layout, options } = caseOf({ format: "awq", layout: "autoawq", groupSize: 32 });
    const tensors = layout.tensorsOf("m", codesRow(values), options);
    expect(firstWord(tensors, "qweight")).toBe(word);
    expect(firstWord(tensors, "qzeros")).toBe(word);
  });

  it("zero points pack along the rows in compressed-tensors", () => {
    const { layout, options } = caseOf({
      format: "awq",
      layout: "compressed-tensors",
      groupSize: 32,
    });
    const zeros = [-8, -4, 0, 3, 7, 1, -1, 2].map((value) => value + 8);
    const tensors = layout.tensorsOf("m", codesRow(zeros), options);
    expect(firstWord(tensors, "weight_zero_point")).toBe(0xa79fb840);
  });

  it("a group of (i - 40) / 64 gets scale 0x303C and zero 5", () => {
    const group = Uint16Array.from({ length: 128 }, (_, i) => floatToBf16((i - 40) / 64));
    const tensors = awq.quantize(group, 1, 128, { groupSize: 128 });
    expect(tensors.scale).toEqual(Uint16Array.of(0x303c));
    expect(tensors.zero).toEqual(Uint8Array.of(5));
  });
});

it("a fixed activation scale of a checkpoint is the one that the product uses", () => {
  const { format, layout, options } = caseOf({
    format: "fp8",
    layout: "fp8",
    granularity: "tensor",
    activations: "static",
  });
  const tensors = layout.tensorsOf("m", quantized(format, options, 16, 128), options);
  const { handle } = format.load(open(tensors), ["m"], options);
  const x = kernels.createBuffer("bf16", 128);
  const out = kernels.createBuffer("f32", 16);
  // The scale is 0.25, so what is beyond 448 * 0.25 is cut.
  kernels.writeBuffer(x, 0, new Uint16Array(128).fill(floatToBf16(1000), 5, 6));
  kernels.linear(handle, x, 1, out);
  const expected = Float32Array.from({ length: 16 }, (_, row) => {
    return 112 * (kernels.dequantizeRow(handle, row)[5] ?? 0);
  });
  for (const [row, value] of kernels.readBuffer(out, 0, 16).entries())
    expect(value).toBeCloseTo(expected[row] ?? Number.NaN, 3);
});

describe("a checkpoint that does not fit", () => {
  const gemm = caseOf({ format: "awq", layout: "autoawq", groupSize: 64 });
  const channel = caseOf({ format: "fp8", layout: "compressed-tensors", granularity: "channel" });
  const written = ({ format, layout, options }: Case) =>
    layout.tensorsOf("m", quantized(format, options, 16, 128), options);

  function refusal(action: () => unknown): string {
    let caught: unknown;
    try {
      action();
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ name: "QuantlabError" });
    return caught instanceof Error ? caught.message : "";
  }

  const readWith = ({ format, options }: Case, tensors: readonly TensorToWrite[]) =>
    refusal(() => format.read(open(tensors), ["m"], options));

  const replaced = (
    tensors: readonly TensorToWrite[],
    name: string,
    change: Partial<TensorToWrite>,
  ) => tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor));

  it.each([
    ["awq", gemm, "m.scales", 0x7e00],
    ["fp8", channel, "m.weight_scale", 0x7fc00000],
  ] as const)("with a NaN scale (%s)", (_, which, name, bits) => {
    const tensors = written(which);
    const scale = tensors.find((tensor) => tensor.name === name)?.read() ?? new Uint8Array();
    const view = new DataView(scale.buffer, scale.byteOffset, scale.byteLength);
    if (which === gemm) view.setUint16(6, bits, true);
    else view.setUint32(12, bits, true);
    expect(readWith(which, replaced(tensors, name, { read: () => scale }))).toMatch(
      new RegExp(`${name} holds NaN at index 3`),
    );
  });

  it.each([
    ["awq", gemm, "m.scales"],
    ["fp8", channel, "m.weight_scale"],
  ] as const)("without a scale (%s)", (_, which, name) => {
    const tensors = written(which).filter((tensor) => tensor.name !== name);
    expect(readWith(which, tensors)).toMatch(`has no tensor "${name}"`);
  });

  it.each(["compressed-tensors", "fp8"])("whose fixed activation scale is bad (%s)", (layout) => {
    const fixed = caseOf({ format: "fp8", layout, granularity: "tensor", activations: "static" });
    const tensors = written(fixed);
    const missing = tensors.filter(({ name }) => name !== "m.input_scale");
    expect(readWith(fixed, missing)).toMatch('has no tensor "m.input_scale"');
    const scaled = (value: number) =>
      replaced(tensors, "m.input_scale", { read: () => bytesOf(Float32Array.of(value)) });
    expect(readWith(fixed, scaled(Number.NaN))).toMatch(/m\.input_scale holds NaN/);
    expect(readWith(fixed, scaled(0))).toMatch(/m\.input_scale is 0/);
  });

  it("whose scales of blocks are bad", () => {
    const block = caseOf({ format: "fp8", layout: "fp8", granularity: "block" });
    const tensors = written(block);
    const name = "m.weight_scale_inv";
    const missing = tensors.filter((tensor) => tensor.name !== name);
    expect(readWith(block, missing)).toMatch(`has no tensor "${name}"`);
    const read = () => bytesOf(Float32Array.of(Number.NaN));
    expect(readWith(block, replaced(tensors, name, { read }))).toMatch(
      /weight_scale_inv holds NaN/,
    );
  });

  it("with codes of another dtype", () => {
    const asU32 = replaced(written(gemm), "m.qweight", { dtype: "U32" });
    expect(readWith(gemm, asU32)).toMatch(/m\.qweight is U32, expected I32/);
    const asE5m2 = replaced(written(channel), "m.weight", { dtype: "F8_E5M2" });
    expect(readWith(channel, asE5m2)).toMatch(/m\.weight is F8_E5M2, expected F8_E4M3/);
  });

  it("with NaN among E4M3 codes", () => {
    const weight = new Uint8Array(16 * 128);
    weight[77] = 0xff;
    const tensors = replaced(written(channel), "m.weight", { read: () => weight });
    expect(readWith(channel, tensors)).toMatch(/m\.weight holds NaN/);
  });

  it("whose linears are still BF16: mixed, or mislabelled", () => {
    const plain: TensorToWrite = {
      name: "m.weight",
      dtype: "BF16",
      shape: [16, 128],
      read: () => new Uint8Array(2 * 16 * 128),
    };
    expect(readWith(gemm, [plain])).toMatch(/stores m\.qweight; the checkpoint has m\.weight/);
    expect(readWith(channel, [plain])).toMatch(/m\.weight is BF16, expected F8_E4M3/);
  });

  it("with a group size that its columns or scales do not have", () => {
    const otherGroups = { ...gemm, options: { ...gemm.options, groupSize: 128 } };
    expect(readWith(otherGroups, written(gemm))).toMatch(/m\.qzeros is I32 \[2, 2\], expected/);
    const narrow = gemm.layout.tensorsOf("m", quantized(gemm.format, gemm.options, 8, 64), {
      groupSize: 64,
    });
    expect(readWith(otherGroups, narrow)).toMatch(/64 columns, which groups of 128 do not divide/);
  });

  it("cut short", () => {
    writeSafetensors(path, written(channel));
    truncateSync(path, 400);
    expect(refusal(() => SafetensorsFile.open(path))).toMatch(/./);
  });

  it("with a shard missing", () => {
    const shards = mkdtempSync(join(folder, "shards-"));
    writeSafetensors(join(shards, "model-00001-of-00002.safetensors"), written(channel));
    const map = {
      "m.weight": "model-00001-of-00002.safetensors",
      "m.weight_scale": "model-00001-of-00002.safetensors",
      "n.weight": "model-00002-of-00002.safetensors",
    };
    writeFileSync(
      join(shards, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: map }),
    );
    expect(refusal(() => openCheckpoint(shards))).toMatch(/00002-of-00002\.safetensors/);
  });
});

describe("a quantization_config that cannot run", () => {
  const scheme = (weights: object, rest: object = {}): QuantizationConfig => ({
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    config_groups: {
      group_0: {
        targets: ["Linear"],
        weights: { num_bits: 4, type: "int", strategy: "group", group_size: 128, ...weights },
        ...rest,
      },
    },
  });
  const int4 = scheme({});
  const fp8 = { num_bits: 8, type: "float", strategy: "channel" };

  it.each<[string, QuantizationConfig, RegExp]>([
    ["another method", { quant_method: "gptq", bits: 4 }, /quant_method "gptq"/],
    ["8-bit awq", { quant_method: "awq", bits: 8 }, /bits 8/],
    ["another awq layout", { quant_method: "awq", bits: 4, version: "gemv" }, /version "gemv"/],
    ["odd groups", { quant_method: "awq", bits: 4, group_size: 100 }, /group size 100/],
    ["channel-wise INT4", scheme({ strategy: "channel" }), /strategy is "channel"/],
    ["reordered groups", scheme({ actorder: "group" }), /actorder is "group"/],
    ["quantized INT4 activations", scheme({}, { input_activations: fp8 }), /input_activations/],
    ["not compressed", { ...int4, quantization_status: "frozen" }, /status is "frozen"/],
    ["sparse", { ...int4, sparsity_config: { format: "sparse-24-bitmask" } }, /sparse/],
    [
      "mixed schemes",
      {
        ...int4,
        config_groups: {
          a: { targets: ["Linear"], weights: fp8 },
          b: { targets: ["re:.*down"], weights: { ...fp8, num_bits: 4, type: "int" } },
        },
      },
      /none of/,
    ],
    ["blocks of 64", { quant_method: "fp8", weight_block_size: [64, 64] }, /blocks of \[64,64\]/],
    ["e5m2", { quant_method: "fp8", fmt: "e5m2" }, /fmt "e5m2"/],
  ])("%s", (_, config, message) => {
    expect(() => formatOfCheckpoint(config).optionsOf(config)).toThrowError(
      expect.objectContaining({
        code: "format-unsupported",
        message: expect.stringMatching(message),
      }),
    );
  });
});
