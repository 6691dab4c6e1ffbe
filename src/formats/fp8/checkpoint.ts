/** Reads E4M3 matrices with per-tensor or per-channel scales from a checkpoint, stacked by rows. */
import { QuantlabError } from "../../base/errors.ts";
import { readTensor, type TensorSource } from "../../checkpoint/tensor-source.ts";
import { commonColumns, matrixShape } from "../dense.ts";
import { decodeBf16, f16ToFloat } from "../float16.ts";
import type { Fp8Rows } from "./quantize.ts";

export interface Fp8Matrix extends Fp8Rows {
  readonly rows: number;
  readonly columns: number;
}

/**
 * `NAME.weight` (F8_E4M3) and `NAME.weight_scale` (a scalar, [1], or one a row) of each module. A
 * scalar is spread over the module's rows, so stacked modules keep their own scale: nothing is
 * requantized. `input_scale` of static checkpoints is not read: activations are always dynamic.
 */
export function readFp8(source: TensorSource, modules: readonly string[]): Fp8Matrix {
  const parts = modules.map((module) => {
    const name = `${module}.weight`;
    const info = source.info(name);
    if (info.dtype !== "F8_E4M3") {
      throw new QuantlabError(
        "checkpoint-mismatch",
        `${source.label}: ${name} is ${info.dtype}, expected F8_E4M3`,
      );
    }
    return { module, name, ...matrixShape(source, name, info) };
  });
  const columns = commonColumns(
    source,
    modules,
    parts.map((part) => part.columns),
  );
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const codes = new Uint8Array(rows * columns);
  const scale = new Float32Array(rows);
  let row = 0;
  for (const part of parts) {
    source.readInto(part.name, codes.subarray(row * columns, (row + part.rows) * columns));
    scale.set(readScales(source, part.module, part.rows), row);
    row += part.rows;
  }
  return { rows, columns, codes, scale };
}

/** One FP32 scale a row. */
function readScales(source: TensorSource, module: string, rows: number): Float32Array {
  const name = `${module}.weight_scale`;
  const values = readFloats(source, name);
  const single = values[0];
  if (values.length === 1 && single !== undefined) return new Float32Array(rows).fill(single);
  if (values.length === rows) return values;
  throw new QuantlabError(
    "checkpoint-mismatch",
    `${source.label}: ${name} holds ${values.length} scales, expected 1 or ${rows} (one a row)`,
    { hint: "block-wise FP8 scales are not supported; start from the BF16 checkpoint" },
  );
}

function readFloats(source: TensorSource, name: string): Float32Array {
  const { dtype } = source.info(name);
  const { buffer } = readTensor(source, name);
  if (dtype === "F32") return new Float32Array(buffer);
  if (dtype === "BF16") return decodeBf16(new Uint16Array(buffer));
  if (dtype === "F16") return Float32Array.from(new Uint16Array(buffer), f16ToFloat);
  throw new QuantlabError(
    "checkpoint-mismatch",
    `${source.label}: ${name} is ${dtype}, expected F32, BF16 or F16`,
  );
}
