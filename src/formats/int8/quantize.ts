/** INT8 quantization by round-to-nearest: weights per output channel, activations per token. */
import { QuantlabError } from "../../base/errors.ts";
import { decodeBf16, roundHalfEven } from "../float16.ts";

const { fround } = Math;

const largestCode = 127;

/** Below it a quotient could overflow; a row of zeros gets it too. */
const minScale = fround(1e-30);

/** Codes as two's complement bytes [rows, columns], and what a code is multiplied by, per row. */
export interface Int8Rows {
  readonly codes: Uint8Array;
  readonly scale: Float32Array;
}

/** BF16 rows to codes: scale = absmax / 127, code = round(x / scale), ties to even. */
export function quantizeRows(x: Uint16Array, rows: number, columns: number): Int8Rows {
  const values = decodeBf16(x);
  const codes = new Int8Array(rows * columns);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const magnitude = Math.abs(values[i] ?? 0);
      if (!(magnitude < Number.POSITIVE_INFINITY)) {
        throw new QuantlabError(
          "format-unsupported",
          `row ${row} holds ${values[i]}; int8 quantizes finite values only`,
        );
      }
      if (magnitude > largest) largest = magnitude;
    }
    const rowScale = Math.max(fround(largest / largestCode), minScale);
    scale[row] = rowScale;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      codes[i] = roundHalfEven(fround((values[i] ?? 0) / rowScale));
    }
  }
  return { codes: new Uint8Array(codes.buffer), scale };
}

/** code times scale. */
export function dequantizeRows({ codes, scale }: Int8Rows, columns: number): Float32Array {
  const signed = new Int8Array(codes.buffer, codes.byteOffset, codes.length);
  return Float32Array.from(signed, (code, i) => code * (scale[Math.floor(i / columns)] ?? 0));
}
