/** The blocks of the paged KV cache: who holds which, and how many are free; no bytes live here. */
import { assert } from "../base/errors.ts";

/**
 * Hands out block numbers 0 .. total-1. A block carries a count of its holders, so that sequences
 * with a common prefix can hold the same block; it returns to the free list with its last holder.
 */
export class BlockPool {
  readonly total: number;
  readonly blockSize: number;
  readonly #holders: Uint32Array;
  /** A stack whose top is the block freed last, at first the lowest: memory is touched as needed. */
  readonly #free: number[];

  constructor(total: number, blockSize: number) {
    this.total = total;
    this.blockSize = blockSize;
    this.#holders = new Uint32Array(total);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
  }

  get free(): number {
    return this.#free.length;
  }

  get used(): number {
    return this.total - this.#free.length;
  }

  /** Blocks that hold `tokens` tokens. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  /** `count` blocks with one holder each, or undefined, and nothing taken, if there are too few. */
  allocate(count: number): number[] | undefined {
    if (count > this.#free.length) return undefined;
    const blocks = this.#free.splice(this.#free.length - count, count).reverse();
    for (const block of blocks) {
      assert(this.#holders[block] === 0, `block ${block} was free and held`);
      this.#holders[block] = 1;
    }
    return blocks;
  }

  /** One more holder of a block that is held already. */
  share(block: number): void {
    assert(this.holders(block) > 0, `block ${block} is shared but nobody holds it`);
    this.#holders[block] = this.holders(block) + 1;
  }

  /** One holder less of each block. */
  release(blocks: readonly number[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i] ?? -1;
      const holders = this.holders(block);
      assert(holders > 0, `block ${block} is released but nobody holds it`);
      this.#holders[block] = holders - 1;
      if (holders === 1) this.#free.push(block);
    }
  }

  holders(block: number): number {
    return this.#holders[block] ?? 0;
  }
}
