/** The blocks of the paged KV cache: who holds which, and how many are free; no bytes live here. */
import { assert } from "../base/errors.ts";

/**
 * Hands out block numbers 0 .. total-1. A block carries a count of its holders, so that sequences
 * with a common prefix can hold the same block; it is free when its last holder leaves. A block with
 * a name keeps its content while it is free, to be taken again by that name, until it is the named
 * block longest unused and no other is free.
 */
export class BlockPool {
  readonly total: number;
  readonly blockSize: number;
  readonly #holders: Uint32Array;
  /** A stack whose top is the block freed last, at first the lowest: memory is touched as needed. */
  readonly #free: number[];
  readonly #blockOf = new Map<string, number>();
  readonly #nameOf = new Map<number, string>();
  /** Free blocks with a name, the longest unused first. */
  readonly #resting = new Set<number>();

  constructor(total: number, blockSize: number) {
    this.total = total;
    this.blockSize = blockSize;
    this.#holders = new Uint32Array(total);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
  }

  /** Blocks without a holder. */
  get free(): number {
    return this.#free.length + this.#resting.size;
  }

  get used(): number {
    return this.total - this.free;
  }

  /** Blocks that hold `tokens` tokens. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  /** `count` blocks with one holder each, or undefined, and nothing taken, if there are too few. */
  allocate(count: number): number[] | undefined {
    if (count > this.free) return undefined;
    while (this.#free.length < count) this.#forgetOldest();
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
      if (holders > 1) continue;
      // Last blocks first: of a prefix, what stands further back is forgotten earlier.
      if (this.#nameOf.has(block)) this.#resting.add(block);
      else this.#free.push(block);
    }
  }

  holders(block: number): number {
    return this.#holders[block] ?? 0;
  }

  /** Gives a held block a name; the first block of a name keeps it. */
  name(block: number, name: string): void {
    assert(this.holders(block) > 0, `block ${block} is named but nobody holds it`);
    if (this.#blockOf.has(name) || this.#nameOf.has(block)) return;
    this.#blockOf.set(name, block);
    this.#nameOf.set(block, name);
  }

  /** The block of a name, with one holder more; undefined if there is none (any more). */
  takeNamed(name: string): number | undefined {
    const block = this.#blockOf.get(name);
    if (block === undefined) return undefined;
    this.#resting.delete(block);
    this.#holders[block] = this.holders(block) + 1;
    return block;
  }

  #forgetOldest(): void {
    const [block] = this.#resting;
    assert(block !== undefined, "there are as many free blocks as were counted");
    this.#resting.delete(block);
    this.#blockOf.delete(this.#nameOf.get(block) ?? "");
    this.#nameOf.delete(block);
    this.#free.push(block);
  }
}
