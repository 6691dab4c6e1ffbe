/** Writes INT4 matrices: AutoAWQ's "GEMM" storage, and "pack-quantized" of compressed-tensors. */
import { assert, QuantlabError } from "../../base/errors.ts";
import type { TensorToWrite } from "../../checkpoint/writer.ts";
import { compressedConfig, compressedTensors } from "../compressed-tensors.ts";
import { bf16ToFloat, f16ToFloat, floatToBf16 } from "../float16.ts";
import type { CanonicalMatrix, FormatOptions, Layout } from "../format.ts";
import { bytesOf } from "../tensors.ts";
import { packColumns, packGemm, packRows } from "./codec.ts";
import { autoAwq, requireGroupSize } from "./config.ts";
import { type AwqTensors, middleCode } from "./quantize.ts";

function awqTensors({ tensors }: CanonicalMatrix): AwqTensors {
  const { codes, scale, zero } = tensors;
  assert(
    codes instanceof Uint8Array && scale instanceof Uint16Array && zero instanceof Uint8Array,
    "awq tensors are { codes: Uint8Array, scale: Uint16Array, zero: Uint8Array }",
  );
  return { codes, scale, zero };
}

function requireWholeWords(module: string, rows: number): void {
  if (rows % 8 === 0) return;
  throw new QuantlabError(
    "format-unsupported",
    `${module} has ${rows} outputs; the ${autoAwq} layout packs eight to a word`,
    { hint: `write it with --layout ${compressedTensors}` },
  );
}

function gemmTensors(module: string, matrix: CanonicalMatrix, options: FormatOptions) {
  const { rows, columns } = matrix;
  requireWholeWords(module, rows);
  const groups = columns / requireGroupSize(options.groupSize);
  const { codes, scale, zero } = awqTensors(matrix);
  const written: TensorToWrite[] = [
    {
      name: `${module}.qweight`,
      dtype: "I32",
      shape: [columns, rows / 8],
      read: () => bytesOf(packGemm(codes, columns, rows)),
    },
    {
      name: `${module}.qzeros`,
      dtype: "I32",
      shape: [groups, rows / 8],
      read: () => bytesOf(packGemm(zero, groups, rows)),
    },
    {
      name: `${module}.scales`,
      dtype: "F16",
      shape: [groups, rows],
      read: () => bytesOf(transpose(scale, rows, groups)),
    },
  ];
  return written;
}

function transpose(values: Uint16Array, rows: number, columns: number): Uint16Array {
  const result = new Uint16Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) result[k * rows + row] = values[row * columns + k] ?? 0;
  }
  return result;
}

/** AutoAWQ, which vLLM loads as `awq` and `awq_marlin`; its kernels expect a float16 model. */
const gemm: Layout = {
  name: autoAwq,
  modelDtype: "float16",
  configOf: (options) => ({
    quant_method: "awq",
    bits: 4,
    group_size: requireGroupSize(options.groupSize),
    zero_point: true,
    version: "gemm",
    modules_to_not_convert: null,
  }),
  tensorsOf: gemmTensors,
};

/** BF16 where that loses nothing, as a BF16 model's scales are quantized to be; F16 otherwise. */
function storedScale(scale: Uint16Array): { dtype: "BF16" | "F16"; values: Uint16Array } {
  const floats = Float32Array.from(scale, f16ToFloat);
  const values = Uint16Array.from(floats, floatToBf16);
  const isExact = floats.every((value, i) => value === bf16ToFloat(values[i] ?? 0));
  return isExact ? { dtype: "BF16", values } : { dtype: "F16", values: scale };
}

function packedTensors(module: string, matrix: CanonicalMatrix, options: FormatOptions) {
  const { rows, columns } = matrix;
  const groups = columns / requireGroupSize(options.groupSize);
  const { codes, scale, zero } = awqTensors(matrix);
  const stored = storedScale(scale);
  const written: TensorToWrite[] = [
    {
      name: `${module}.weight_packed`,
      dtype: "I32",
      shape: [rows, columns / 8],
      read: () => bytesOf(packColumns(codes)),
    },
    {
      name: `${module}.weight_scale`,
      dtype: stored.dtype,
      shape: [rows, groups],
      read: () => bytesOf(stored.values),
    },
    {
      name: `${module}.weight_shape`,
      dtype: "I64",
      shape: [2],
      read: () => bytesOf(BigInt64Array.of(BigInt(rows), BigInt(columns))),
    },
  ];
  if (options.symmetric === true) {
    assert(
      zero.every((value) => value === middleCode),
      "a symmetric matrix has the middle code as every zero point",
    );
    return written;
  }
  written.push({
    name: `${module}.weight_zero_point`,
    dtype: "I32",
    shape: [Math.ceil(rows / 8), groups],
    read: () => bytesOf(packRows(zero, rows, groups)),
  });
  return written;
}

/** llm-compressor's W4A16, which vLLM loads as compressed-tensors. */
const packQuantized: Layout = {
  name: compressedTensors,
  configOf(options, ignored) {
    const weights = {
      num_bits: 4,
      type: "int",
      strategy: "group",
      group_size: requireGroupSize(options.groupSize),
      symmetric: options.symmetric === true,
      dynamic: false,
    };
    return compressedConfig("pack-quantized", weights, null, ignored);
  },
  tensorsOf: packedTensors,
};

export const awqLayouts: readonly Layout[] = [gemm, packQuantized];
