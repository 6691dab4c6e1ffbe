/** INT4 codes in AutoAWQ's "GEMM" storage: eight output channels to a 32-bit word, interleaved. */

/** Bit shift of channel c (0..7) inside a word: nibbles from the low end hold channels 0 2 4 6 1 3 5 7. */
export const channelShift = [0, 16, 4, 20, 8, 24, 12, 28] as const;

/**
 * Words [inputs, outputs / 8] to codes [outputs, inputs]: unpacked and transposed.
 * @param rowOffset row of `target` that output 0 goes to
 */
export function unpackGemm(
  words: Int32Array,
  inputs: number,
  outputs: number,
  target: Uint8Array,
  rowOffset: number,
): void {
  const wordsPerRow = outputs / 8;
  // Blocks of 64 inputs keep the eight target rows of a word in the cache.
  for (let start = 0; start < inputs; start += 64) {
    const end = Math.min(start + 64, inputs);
    for (let j = 0; j < wordsPerRow; j++) {
      const base = (rowOffset + j * 8) * inputs;
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
  for (let output = 0; output < outputs; output++) {
    const shift = channelShift[output % 8] ?? 0;
    const j = Math.floor(output / 8);
    for (let k = 0; k < inputs; k++) {
      const at = k * wordsPerRow + j;
      words[at] = (words[at] ?? 0) | ((codes[output * inputs + k] ?? 0) << shift);
    }
  }
  return words;
}
