/** INT4 codes eight to a 32-bit word: AutoAWQ's interleaved "GEMM" order, and the plain order. */

/** Bit shift of channel c (0..7) inside a GEMM word: nibbles from the low end hold channels 0 2 4 6 1 3 5 7. */
export const channelShift = [0, 16, 4, 20, 8, 24, 12, 28] as const;

/** GEMM words [inputs, outputs / 8] to codes [outputs, inputs]: unpacked and transposed. */
export function unpackGemm(
  words: Int32Array,
  inputs: number,
  outputs: number,
  target: Uint8Array,
): void {
  const wordsPerRow = outputs / 8;
  // Blocks of 64 inputs keep the eight target rows of a word in the cache.
  for (let start = 0; start < inputs; start += 64) {
    const end = Math.min(start + 64, inputs);
    for (let j = 0; j < wordsPerRow; j++) {
      const base = j * 8 * inputs;
      for (let k = start; k < end; k++) {
        const word = words[k * wordsPerRow + j] ?? 0;
        for (let channel = 0; channel < 8; channel++) {
          target[base + channel * inputs + k] = (word >>> (channelShift[channel] ?? 0)) & 15;
        }
      }
    }
  }
}

/** The inverse of `unpackGemm`: codes [outputs, inputs] to words [inputs, outputs / 8]. */
export function packGemm(codes: Uint8Array, inputs: number, outputs: number): Int32Array {
  const wordsPerRow = outputs / 8;
  const words = new Int32Array(inputs * wordsPerRow);
  for (let start = 0; start < inputs; start += 64) {
    const end = Math.min(start + 64, inputs);
    for (let output = 0; output < outputs; output++) {
      const shift = channelShift[output % 8] ?? 0;
      const j = Math.floor(output / 8);
      for (let k = start; k < end; k++) {
        const at = k * wordsPerRow + j;
        words[at] = (words[at] ?? 0) | ((codes[output * inputs + k] ?? 0) << shift);
      }
    }
  }
  return words;
}

/** Words of eight neighbours in a row, the first lowest, to codes in the same order. */
export function unpackColumns(words: Int32Array, target: Uint8Array): void {
  for (let j = 0; j < words.length; j++) {
    const word = words[j] ?? 0;
    for (let i = 0; i < 8; i++) target[j * 8 + i] = (word >>> (4 * i)) & 15;
  }
}

/** The inverse of `unpackColumns`; the number of codes is a multiple of 8. */
export function packColumns(codes: Uint8Array): Int32Array {
  return Int32Array.from({ length: codes.length / 8 }, (_, j) => {
    let word = 0;
    for (let i = 0; i < 8; i++) word |= (codes[j * 8 + i] ?? 0) << (4 * i);
    return word;
  });
}

/** Words [rows / 8, columns] of eight rows each, the first lowest, to codes [rows, columns]. */
export function unpackRows(
  words: Int32Array,
  rows: number,
  columns: number,
  target: Uint8Array,
): void {
  for (let row = 0; row < rows; row++) {
    const base = Math.floor(row / 8) * columns;
    for (let k = 0; k < columns; k++) {
      target[row * columns + k] = ((words[base + k] ?? 0) >>> (4 * (row % 8))) & 15;
    }
  }
}

/** The inverse of `unpackRows`; the places of rows missing from the last word are 0. */
export function packRows(codes: Uint8Array, rows: number, columns: number): Int32Array {
  const words = new Int32Array(Math.ceil(rows / 8) * columns);
  for (let row = 0; row < Math.ceil(rows / 8) * 8; row++) {
    const base = Math.floor(row / 8) * columns;
    for (let k = 0; k < columns; k++) {
      const code = row < rows ? (codes[row * columns + k] ?? 0) : 0;
      words[base + k] = (words[base + k] ?? 0) | (code << (4 * (row % 8)));
    }
  }
  return words;
}
