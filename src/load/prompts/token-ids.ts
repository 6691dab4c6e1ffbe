/** Prompts as token ids: exact lengths without a tokenizer, and no two prompts alike. */
import type { Random } from "../../base/random.ts";

/**
 * `length` consecutive ids from a random start, modulo the vocabulary, as vLLM's random data set
 * has them; `index` moves the start so that equal draws still differ in their first token.
 */
export function drawTokenIds(
  length: number,
  vocabSize: number,
  index: number,
  random: Random,
): number[] {
  const start = random.integer(0, vocabSize - 1) + index;
  return Array.from({ length }, (_, i) => (start + i) % vocabSize);
}
