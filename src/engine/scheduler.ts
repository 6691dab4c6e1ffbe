/** Who runs in the next step: continuous batching, first come first served, with chunked prefill. */
import { assert } from "../base/errors.ts";
import type { BlockPool } from "./block-pool.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import type { Sequence } from "./sequence.ts";

/** A sequence's part in a step: `rows` tokens from its first uncomputed one. */
export interface ScheduledSequence {
  readonly sequence: Sequence;
  readonly rows: number;
}

/**
 * Free blocks, as a share of all, that an admission leaves to those who already run; without them a
 * newcomer would take the last block and be preempted in the next step.
 */
const admissionReserve = 0.01;

/**
 * Blocks for all known tokens are taken at admission, so prefill never runs out half way; decode
 * takes one block more each `blockSize` tokens. When there is none, the youngest running sequence is
 * preempted: its blocks are freed and it waits, first in line, to be recomputed from its tokens.
 */
export class Scheduler {
  readonly #pool: BlockPool;
  readonly #prefixes: PrefixCache | undefined;
  readonly #maxNumSeqs: number;
  readonly #maxNumBatchedTokens: number;
  /** Both in order of arrival, and everyone who runs arrived before everyone who waits. */
  #running: Sequence[] = [];
  #waiting: Sequence[] = [];
  #preemptions = 0;

  /** @param prefixes looked through at admission; undefined runs every prompt whole */
  constructor(
    pool: BlockPool,
    maxNumSeqs: number,
    maxNumBatchedTokens: number,
    prefixes: PrefixCache | undefined,
  ) {
    this.#pool = pool;
    this.#prefixes = prefixes;
    this.#maxNumSeqs = maxNumSeqs;
    this.#maxNumBatchedTokens = maxNumBatchedTokens;
  }

  get running(): readonly Sequence[] {
    return this.#running;
  }

  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  get preemptions(): number {
    return this.#preemptions;
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Decodes first, so that running sequences never starve; then prefill chunks in what is left. */
  schedule(): ScheduledSequence[] {
    const preempted = this.#makeRoomForDecodes();
    const scheduled: ScheduledSequence[] = [];
    let budget = this.#maxNumBatchedTokens;
    const take = (sequence: Sequence, rows: number) => {
      scheduled.push({ sequence, rows });
      budget -= rows;
    };
    for (const sequence of this.#running) if (sequence.decoding) take(sequence, 1);
    for (const sequence of this.#running) {
      if (budget === 0) break;
      if (!sequence.decoding) take(sequence, Math.min(sequence.remaining, budget));
    }
    // Who was just preempted must not take back the blocks it gave up.
    while (!preempted && budget > 0) {
      const sequence = this.#admit();
      if (sequence === undefined) break;
      take(sequence, Math.min(sequence.remaining, budget));
    }
    return scheduled;
  }

  /** Forgets a sequence that finished or was aborted, and frees its blocks. */
  remove(sequence: Sequence): void {
    this.#release(sequence);
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
  }

  #makeRoomForDecodes(): boolean {
    let preempted = false;
    // The loop's bound moves when the youngest is preempted.
    for (let i = 0; i < this.#running.length; i++) {
      const sequence = this.#running[i];
      if (sequence === undefined || !sequence.decoding) continue;
      while (sequence.blockTable.length * this.#pool.blockSize < sequence.length) {
        const blocks = this.#pool.allocate(1);
        if (blocks !== undefined) {
          sequence.blockTable.push(...blocks);
          continue;
        }
        preempted = true;
        if (this.#preemptYoungest() === sequence) break;
      }
    }
    return preempted;
  }

  #preemptYoungest(): Sequence {
    const youngest = this.#running.pop();
    // Alone it would hold every block, and a request longer than the whole cache is never admitted.
    assert(youngest !== undefined && this.#running.length > 0, "nobody is left to be preempted");
    this.#release(youngest);
    youngest.computed = 0;
    this.#waiting.unshift(youngest);
    this.#preemptions++;
    return youngest;
  }

  #admit(): Sequence | undefined {
    const sequence = this.#waiting[0];
    if (sequence === undefined || this.#running.length >= this.#maxNumSeqs) return undefined;
    const reserve =
      this.#running.length === 0 ? 0 : Math.max(1, Math.ceil(this.#pool.total * admissionReserve));
    const known = this.#prefixes?.take(sequence) ?? [];
    const needed = this.#pool.blocksFor(sequence.length) - known.length;
    const fresh = needed + reserve > this.#pool.free ? undefined : this.#pool.allocate(needed);
    if (fresh === undefined) {
      this.#pool.release(known);
      return undefined;
    }
    sequence.blockTable = [...known, ...fresh];
    sequence.computed = known.length * this.#pool.blockSize;
    this.#prefixes?.count(sequence, sequence.computed);
    if (!sequence.admitted) sequence.cachedTokens = sequence.computed;
    sequence.admitted = true;
    this.#waiting.shift();
    this.#running.push(sequence);
    return sequence;
  }

  #release(sequence: Sequence): void {
    this.#pool.release(sequence.blockTable);
    sequence.blockTable = [];
  }
}
