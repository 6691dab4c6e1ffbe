/** FP8 quantization by round-to-nearest: weights per channel, tensor or block; activations per token. */
import { QuantlabError } from "../../base/errors.ts";
import { bf16ToFloat, decodeBf16 } from "../float16.ts";
import type { Granularity } from "../format.ts";
import { e4m3Max, encodeE4m3 } from "./codec.ts";
import { blockSize } from "./config.ts";

const { fround } = Math;

/** Smallest scale of an activation row, 1 / (448 * 512), as in vLLM's per-token kernel. */
export const minActivationScale = fround(1 / (448 * 512));

/** Codes [rows, columns] and what a code is multiplied by: per row, or per row and 128 columns. */
export interface Fp8Rows {
  readonly codes: Uint8Array;
  readonly scale: Float32Array;
}

/** A rectangle of a row-major matrix. */
interface Tile {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstColumn: number;
  readonly columns: number;
}

/** Calls `visit` with the index of every element of a tile. */
function forEachIndex(tile: Tile, stride: number, visit: (index: number) => void): void {
  for (let row = tile.firstRow; row < tile.firstRow + tile.rows; row++) {
    const start = row * stride + tile.firstColumn;
    for (let index = start; index < start + tile.columns; index++) visit(index);
  }
}

function absoluteMaximum(values: Float32Array, tile: Tile, stride: number): number {
  let maximum = 0;
  forEachIndex(tile, stride, (index) => {
    const magnitude = Math.abs(values[index] ?? 0);
    if (!(magnitude < Number.POSITIVE_INFINITY)) {
      throw new QuantlabError(
        "format-unsupported",
        `row ${Math.floor(index / stride)} holds ${values[index]}; fp8 quantizes finite values only`,
      );
    }
    if (magnitude > maximum) maximum = magnitude;
  });
  return maximum;
}

const rowTile = (row: number, columns: number): Tile => ({
  firstRow: row,
  rows: 1,
  firstColumn: 0,
  columns,
});

/** What shares one scale, as rows and columns. */
export function tileShape(granularity: Granularity, rows: number, columns: number) {
  switch (granularity) {
    case "tensor":
      return { rows, columns };
    case "channel":
      return { rows: 1, columns };
    case "block":
      return { rows: blockSize, columns: blockSize };
  }
}

/** Smallest absolute maximum that counts; for blocks that of vLLM's block-wise quantizer. */
export const minTileMaximum = (granularity: Granularity): number =>
  granularity === "block" ? fround(1e-4) : 0;

/**
 * BF16 weights to codes: scale = absmax / 448, code = x * (1 / scale), the reciprocal path that vLLM
 * takes for weights. Zeros, or values so small that the reciprocal overflows (absmax below about
 * 1.3e-36), get scale 1 and codes 0: vLLM's kernel would write NaN times 0. Blocks take a maximum of
 * at least 1e-4.
 */
export function quantizeWeights(
  weight: Uint16Array,
  rows: number,
  columns: number,
  granularity: Granularity,
): Fp8Rows {
  const values = decodeBf16(weight);
  const codes = new Uint8Array(rows * columns);
  const shape = tileShape(granularity, rows, columns);
  const perRow = Math.ceil(columns / shape.columns);
  const scale = new Float32Array(rows * perRow).fill(1);
  for (let firstRow = 0; firstRow < rows; firstRow += shape.rows) {
    for (let block = 0; block < perRow; block++) {
      const firstColumn = block * shape.columns;
      const tile = {
        firstRow,
        rows: Math.min(shape.rows, rows - firstRow),
        firstColumn,
        columns: Math.min(shape.columns, columns - firstColumn),
      };
      const maximum = absoluteMaximum(values, tile, columns);
      const floored = Math.max(maximum, minTileMaximum(granularity));
      const tileScale = fround(floored / e4m3Max);
      const reciprocal = fround(1 / tileScale);
      if (!Number.isFinite(reciprocal)) continue;
      for (let row = firstRow; row < firstRow + tile.rows; row++) {
        scale[row * perRow + block] = tileScale;
      }
      forEachIndex(tile, columns, (index) => {
        codes[index] = encodeE4m3(fround((values[index] ?? 0) * reciprocal));
      });
    }
  }
  return { codes, scale };
}

/** Smallest absolute maximum of a token's 128 columns, as in vLLM's kernel for block-wise FP8. */
const minGroupMaximum = fround(1e-10);

/**
 * The same with a scale for each row and group of 128 columns: scale = max(absmax, 1e-10) / 448, code =
 * x / scale.
 */
export function quantizeActivationGroups(x: Uint16Array, rows: number, columns: number): Fp8Rows {
  const values = decodeBf16(x);
  const codes = new Uint8Array(rows * columns);
  const groups = Math.ceil(columns / blockSize);
  const scale = Float32Array.from({ length: rows * groups }, (_, i) => {
    const firstColumn = (i % groups) * blockSize;
    const count = Math.min(blockSize, columns - firstColumn);
    const tile = { firstRow: Math.floor(i / groups), rows: 1, firstColumn, columns: count };
    const tileScale = fround(
      Math.max(absoluteMaximum(values, tile, columns), minGroupMaximum) / e4m3Max,
    );
    forEachIndex(tile, columns, (index) => {
      codes[index] = encodeE4m3(fround((values[index] ?? 0) / tileScale));
    });
    return tileScale;
  });
  return { codes, scale };
}

/** BF16 activations to codes by a fixed scale: code = x * (1 / scale); what is beyond 448 is cut. */
export function cutActivations(x: Uint16Array, scale: number): Uint8Array {
  const reciprocal = fround(1 / scale);
  return Uint8Array.from(x, (bits) => encodeE4m3(fround(bf16ToFloat(bits) * reciprocal)));
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
      fround(absoluteMaximum(values, rowTile(row, columns), columns) / e4m3Max),
      minActivationScale,
    );
    scale[row] = rowScale;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      codes[i] = encodeE4m3(fround((values[i] ?? 0) / rowScale));
    }
  }
  return { codes, scale };
}
