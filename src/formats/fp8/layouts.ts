/** Writes FP8 matrices: as compressed-tensors does, and as vLLM's own "fp8" method reads them. */
import { assert, QuantlabError } from "../../base/errors.ts";
import type { TensorToWrite } from "../../checkpoint/writer.ts";
import { compressedConfig, compressedTensors, staticKvCacheScheme } from "../compressed-tensors.ts";
import type { CanonicalMatrix, FormatOptions, Layout } from "../format.ts";
import { bytesOf } from "../tensors.ts";
import { blockSize, vllmFp8 } from "./config.ts";

/** Canonical scales back in the shape they are stored in. */
function storedScale(
  { rows, columns, tensors }: CanonicalMatrix,
  options: FormatOptions,
  tensorShape: readonly number[],
): { shape: readonly number[]; values: Float32Array } {
  const { scale } = tensors;
  assert(scale instanceof Float32Array, "canonical fp8 scales are FP32");
  if (options.granularity === "tensor") return { shape: tensorShape, values: scale.slice(0, 1) };
  if (options.granularity !== "block") return { shape: [rows, 1], values: scale };
  const perRow = Math.ceil(columns / blockSize);
  const blocks = Math.ceil(rows / blockSize);
  const values = new Float32Array(blocks * perRow);
  for (let block = 0; block < blocks; block++) {
    const first = block * blockSize * perRow;
    values.set(scale.subarray(first, first + perRow), block * perRow);
  }
  return { shape: [blocks, perRow], values };
}

function tensorsOf(
  module: string,
  matrix: CanonicalMatrix,
  options: FormatOptions,
  scaleSuffix: string,
  scalarShape: readonly number[],
): TensorToWrite[] {
  const { rows, columns, tensors } = matrix;
  const { weight, inputScale } = tensors;
  assert(weight instanceof Uint8Array, "canonical fp8 codes are bytes");
  const scale = storedScale(matrix, options, scalarShape);
  const written: TensorToWrite[] = [
    {
      name: `${module}.weight`,
      dtype: "F8_E4M3",
      shape: [rows, columns],
      read: () => weight,
    },
    {
      name: `${module}.${scaleSuffix}`,
      dtype: "F32",
      shape: scale.shape,
      read: () => bytesOf(scale.values),
    },
  ];
  if (options.activations === "static") {
    assert(inputScale instanceof Float32Array, "static activations bring their scale");
    written.push({
      name: `${module}.input_scale`,
      dtype: "F32",
      shape: scalarShape,
      read: () => bytesOf(inputScale),
    });
  }
  return written;
}

const float8 = { num_bits: 8, type: "float", symmetric: true } as const;

function weightArguments(options: FormatOptions): Readonly<Record<string, unknown>> {
  const strategy = options.granularity ?? "channel";
  const blocks = strategy === "block" ? { block_structure: [blockSize, blockSize] } : {};
  return { ...float8, strategy, dynamic: false, ...blocks };
}

function activationArguments(options: FormatOptions): Readonly<Record<string, unknown>> {
  if (options.activations === "static") return { ...float8, strategy: "tensor", dynamic: false };
  if (options.granularity !== "block") return { ...float8, strategy: "token", dynamic: true };
  return { ...float8, strategy: "group", group_size: blockSize, dynamic: true };
}

/** compressed-tensors "float-quantized": every granularity. */
const floatQuantized: Layout = {
  name: compressedTensors,
  kvCache: { scheme: staticKvCacheScheme, scaleShape: [1] },
  configOf: (options, ignored) =>
    compressedConfig(
      "float-quantized",
      weightArguments(options),
      activationArguments(options),
      ignored,
    ),
  tensorsOf: (module, matrix, options) => tensorsOf(module, matrix, options, "weight_scale", [1]),
};

/** vLLM's own: a scale a tensor, or `weight_scale_inv` a block. */
const vllm: Layout = {
  name: vllmFp8,
  kvCache: { scheme: "static", scaleShape: [] },
  configOf(options, ignored) {
    const shared = { quant_method: vllmFp8, ignored_layers: [...ignored] };
    if (options.granularity !== "block") {
      return { ...shared, activation_scheme: options.activations ?? "dynamic" };
    }
    return {
      ...shared,
      activation_scheme: "dynamic",
      fmt: "e4m3",
      weight_block_size: [blockSize, blockSize],
    };
  },
  tensorsOf(module, matrix, options) {
    if (options.granularity === "block") {
      return tensorsOf(module, matrix, options, "weight_scale_inv", [1]);
    }
    if (options.granularity === "tensor") {
      return tensorsOf(module, matrix, options, "weight_scale", []);
    }
    throw new QuantlabError(
      "format-unsupported",
      "the fp8 layout holds one scale a tensor or a block, not one a channel",
      { hint: `write it with --layout ${compressedTensors}, or with --scales tensor` },
    );
  },
};

export const fp8Layouts: readonly Layout[] = [floatQuantized, vllm];
