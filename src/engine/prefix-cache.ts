/** Which block of the KV cache holds which prefix: full blocks are found again by their content. */
import { createHash } from "node:crypto";
import type { BlockPool } from "./block-pool.ts";
import type { Sequence } from "./sequence.ts";

/**
 * A block's key is a digest of all tokens up to its end, so equal keys mean equal keys and values.
 * Whoever frees a named block leaves it in the pool until its place is needed.
 */
export class PrefixCache {
  readonly #pool: BlockPool;
  #queriedTokens = 0;
  #hitTokens = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  /** Prompt tokens that were looked for, and those of them that were found. */
  get counts(): { readonly queriedTokens: number; readonly hitTokens: number } {
    return { queriedTokens: this.#queriedTokens, hitTokens: this.#hitTokens };
  }

  /**
   * Blocks of the longest known prefix of the sequence, now held once more. The last token is never
   * taken from the cache: somebody has to run it to get logits.
   */
  take(sequence: Sequence): number[] {
    // The logprobs of a prompt need its rows to be run.
    if (sequence.params.promptLogprobs !== undefined) return [];
    const blocks: number[] = [];
    const most = Math.floor((sequence.length - 1) / this.#pool.blockSize);
    for (let index = 0; index < most; index++) {
      const block = this.#pool.takeNamed(this.#keyOf(sequence, index));
      if (block === undefined) break;
      blocks.push(block);
    }
    return blocks;
  }

  /** Counts an admission; recomputation after a preemption is not a question of the client's. */
  count(sequence: Sequence, hitTokens: number): void {
    if (sequence.admitted) return;
    this.#queriedTokens += sequence.length;
    this.#hitTokens += hitTokens;
  }

  /** Names the blocks that a step has filled. @param from tokens that were computed before it */
  name(sequence: Sequence, from: number): void {
    const { blockSize } = this.#pool;
    const full = Math.floor(sequence.computed / blockSize);
    for (let index = Math.floor(from / blockSize); index < full; index++) {
      const block = sequence.blockTable[index];
      if (block !== undefined) this.#pool.name(block, this.#keyOf(sequence, index));
    }
  }

  /** Digest of the tokens up to the end of block `index`, chained over the blocks before it. */
  #keyOf(sequence: Sequence, index: number): string {
    const { blockSize } = this.#pool;
    for (let i = sequence.blockKeys.length; i <= index; i++) {
      const tokens = sequence.tokenIds.slice(i * blockSize, (i + 1) * blockSize);
      const hash = createHash("sha256").update(sequence.blockKeys[i - 1] ?? "");
      sequence.blockKeys.push(hash.update(Int32Array.from(tokens)).digest("base64"));
    }
    return sequence.blockKeys[index] ?? "";
  }
}
