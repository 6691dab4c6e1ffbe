/** Reads AutoAWQ "GEMM" matrices from a checkpoint, unpacked, transposed and stacked by rows. */
import { QuantlabError } from "../../base/errors.ts";
import {
  type Dtype,
  readTensor,
  type TensorInfo,
  type TensorSource,
} from "../../checkpoint/tensor-source.ts";
import { commonColumns, matrixShape } from "../dense.ts";
import { unpackGemm } from "./codec.ts";
import type { AwqTensors } from "./quantize.ts";

export interface AwqMatrix extends AwqTensors {
  readonly rows: number;
  readonly columns: number;
}

/**
 * `NAME.qweight` I32 [inputs, outputs / 8], `NAME.qzeros` I32 [groups, outputs / 8] and `NAME.scales`
 * F16 [groups, outputs] of each module. @throws checkpoint-mismatch
 */
export function readAwq(
  source: TensorSource,
  modules: readonly string[],
  groupSize: number,
): AwqMatrix {
  const parts = modules.map((module) => ({ module, ...partShape(source, module) }));
  const columns = commonColumns(
    source,
    modules,
    parts.map((part) => part.inputs),
  );
  const rows = parts.reduce((sum, part) => sum + part.outputs, 0);
  const groups = columns / groupSize;
  const codes = new Uint8Array(rows * columns);
  const scale = new Uint16Array(rows * groups);
  const zero = new Uint8Array(rows * groups);
  let row = 0;
  for (const { module, outputs } of parts) {
    const words = readWords(source, `${module}.qweight`, [columns, outputs / 8]);
    unpackGemm(words, columns, outputs, codes, row);
    const zeros = readWords(source, `${module}.qzeros`, [groups, outputs / 8]);
    unpackGemm(zeros, groups, outputs, zero, row);
    readScales(source, `${module}.scales`, groups, outputs, scale.subarray(row * groups));
    row += outputs;
  }
  return { rows, columns, codes, scale, zero };
}

function partShape(source: TensorSource, module: string): { inputs: number; outputs: number } {
  const name = `${module}.qweight`;
  const { rows, columns } = matrixShape(source, name, source.info(name));
  return { inputs: rows, outputs: columns * 8 };
}

function requireTensor(
  source: TensorSource,
  name: string,
  dtype: Dtype,
  shape: readonly number[],
): TensorInfo {
  const info = source.info(name);
  if (info.dtype !== dtype || info.shape.join() !== shape.join()) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${name} is ${info.dtype} [${info.shape.join(", ")}], expected ${dtype} [${shape.join(", ")}]`,
      { hint: "check group_size in config.json, and that the layout is AutoAWQ's gemm" },
    );
  }
  return info;
}

function readWords(source: TensorSource, name: string, shape: readonly number[]): Int32Array {
  requireTensor(source, name, "I32", shape);
  return new Int32Array(readTensor(source, name).buffer);
}

/** [groups, outputs] transposed to [outputs, groups]. */
function readScales(
  source: TensorSource,
  name: string,
  groups: number,
  outputs: number,
  target: Uint16Array,
): void {
  requireTensor(source, name, "F16", [groups, outputs]);
  const stored = new Uint16Array(readTensor(source, name).buffer);
  for (let g = 0; g < groups; g++) {
    for (let output = 0; output < outputs; output++) {
      target[output * groups + g] = stored[g * outputs + output] ?? 0;
    }
  }
}
