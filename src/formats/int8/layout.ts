/** INT8 checkpoints: compressed-tensors "int-quantized", one scale a channel, a scale a token as it runs. */
import { assert } from "../../base/errors.ts";
import type { QuantizationConfig } from "../../checkpoint/model-config.ts";
import type { TensorSource } from "../../checkpoint/tensor-source.ts";
import {
  compressedConfig,
  compressedTensors,
  hasWeights,
  requireSetting,
  schemeOf,
} from "../compressed-tensors.ts";
import { commonColumns, matrixShape } from "../dense.ts";
import type { CanonicalMatrix, FormatOptions, Layout } from "../format.ts";
import { bytesOf, readScales, requireQuantized } from "../tensors.ts";

/** compressed-tensors whose weights are 8-bit integers. */
export function isInt8Config(config: QuantizationConfig | undefined): boolean {
  return hasWeights(config, "int", 8);
}

/** @throws format-unsupported on another arithmetic */
export function checkpointOptions(config: QuantizationConfig | undefined): FormatOptions {
  if (config === undefined) return {};
  const { format, weights, activations } = schemeOf(config);
  requireSetting("format", format, ["int-quantized", "naive-quantized", undefined]);
  requireSetting("weights.strategy", weights.strategy, ["channel"]);
  requireSetting("weights.symmetric", weights.symmetric, [true]);
  requireSetting("input_activations.num_bits", activations?.num_bits, [8]);
  requireSetting("input_activations.type", activations?.type, ["int"]);
  requireSetting("input_activations.dynamic", activations?.dynamic, [true]);
  requireSetting("input_activations.symmetric", activations?.symmetric, [true]);
  return { layout: compressedTensors };
}

/** `NAME.weight` I8 [rows, columns] and `NAME.weight_scale` [rows, 1] of each module, stacked by rows. */
export function readInt8(source: TensorSource, modules: readonly string[]): CanonicalMatrix {
  const parts = modules.map((module) => {
    const name = `${module}.weight`;
    requireQuantized(source, module, "weight", ["I8"], "int8");
    return { module, name, ...matrixShape(source, name, source.info(name)) };
  });
  const columns = commonColumns(
    source,
    modules,
    parts.map((part) => part.columns),
  );
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const weight = new Uint8Array(rows * columns);
  const scale = new Float32Array(rows);
  let row = 0;
  for (const part of parts) {
    source.readInto(part.name, weight.subarray(row * columns, (row + part.rows) * columns));
    scale.set(
      readScales(source, `${part.module}.weight_scale`, [[part.rows, 1], [part.rows]]),
      row,
    );
    row += part.rows;
  }
  return { rows, columns, tensors: { weight, scale } };
}

const int8Arguments = { num_bits: 8, type: "int", symmetric: true } as const;

export const intQuantized: Layout = {
  name: compressedTensors,
  configOf: (_options, ignored) =>
    compressedConfig(
      "int-quantized",
      { ...int8Arguments, strategy: "channel", dynamic: false },
      { ...int8Arguments, strategy: "token", dynamic: true },
      ignored,
    ),
  tensorsOf(module, { rows, columns, tensors }) {
    const { weight, scale } = tensors;
    assert(
      weight instanceof Uint8Array && scale instanceof Float32Array,
      "int8 tensors are { weight: Uint8Array, scale: Float32Array }",
    );
    return [
      { name: `${module}.weight`, dtype: "I8", shape: [rows, columns], read: () => weight },
      {
        name: `${module}.weight_scale`,
        dtype: "F32",
        shape: [rows, 1],
        read: () => bytesOf(scale),
      },
    ];
  },
};
