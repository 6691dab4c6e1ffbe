/** FP8 quantization by round-to-nearest: weights per output channel, activations per token. */
import { QuantlabError } from "../../base/errors.ts";
import { decodeBf16 } from "../float16.ts";
import { e4m3Max, encodeE4m3 } from "./codec.ts";

const { fround } = Math;

/** Smallest scale of an activation row, 1 / (448 * 512), as in vLLM's per-token kernel. */
export const minActivationScale = fround(1 / (448 * 512));

/** Codes [rows, columns] and what a code is multiplied by, per row. */
export interface Fp8Rows {
  readonly codes: Uint8Array;
  readonly scale: Float32Array;
}

function absoluteMaximum(values: Float32Array, row: number, columns: number): number {
  let maximum = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) {
    const magnitude = Math.abs(values[i] ?? 0);
    if (!(magnitude < Number.POSITIVE_INFINITY)) {
      throw new QuantlabError(
        "format-unsupported",
        `row ${row} holds ${values[i]}; fp8 quantizes finite values only`,
      );
    }
    if (magnitude > maximum) maximum = magnitude;
  }
  return maximum;
}

/**
 * BF16 weights to codes with one FP32 scale a row: scale = absmax / 448, code = x * (1 / scale), the
 * reciprocal path that vLLM takes for weights. A row of zeros, or one so small that the reciprocal
 * overflows (absmax below about 1.3e-36), gets scale 1 and codes 0: vLLM's kernel would write NaN times 0.
 */
export function quantizeWeightRows(weight: Uint16Array, rows: number, columns: number): Fp8Rows {
  const values = decodeBf16(weight);
  const codes = new Uint8Array(rows * columns);
  const scale = new Float32Array(rows).fill(1);
  for (let row = 0; row < rows; row++) {
    const rowScale = fround(absoluteMaximum(values, row, columns) / e4m3Max);
    const reciprocal = fround(1 / rowScale);
    if (!Number.isFinite(reciprocal)) continue;
    scale[row] = rowScale;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      codes[i] = encodeE4m3(fround((values[i] ?? 0) * reciprocal));
    }
  }
  return { codes, scale };
}

/**
 * BF16 activations to codes with one FP32 scale a row (token), as vLLM's dynamic per-token kernel:
 * scale = max(absmax / 448, 1 / (448 * 512)), code = x / scale by a true division.
 */
export function quantizeActivationRows(x: Uint16Array, rows: number, columns: number): Fp8Rows {
  const values = decodeBf16(x);
  const codes = new Uint8Array(rows * columns);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const rowScale = Math.max(
      fround(absoluteMaximum(values, row, columns) / e4m3Max),
      minActivationScale,
    );
    scale[row] = rowScale;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      codes[i] = encodeE4m3(fround((values[i] ?? 0) / rowScale));
    }
  }
  return { codes, scale };
}
