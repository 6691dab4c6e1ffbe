/** The bytes of one answer in one piece of memory, with the time at which each part of them came. */

const firstCapacity = 8 * 1024;
/** Memory kept for coming answers, at most. */
const mostSpareBytes = 64 * 1024 * 1024;
const spare: Buffer[] = [];
const empty = Buffer.alloc(0);
let spareBytes = 0;

function takeMemory(): Buffer {
  const memory = spare.pop();
  if (memory === undefined) return Buffer.allocUnsafeSlow(firstCapacity);
  spareBytes -= memory.length;
  return memory;
}

function giveMemory(memory: Buffer): void {
  if (spareBytes + memory.length > mostSpareBytes) return;
  spare.push(memory);
  spareBytes += memory.length;
}

/**
 * Grows by doubling, and takes over the memory of answers before it: an answer costs few allocations,
 * however many parts it comes in, so that the collector stays quiet while times are taken.
 */
export class TimedBody {
  #bytes: Buffer = takeMemory();
  #length = 0;
  readonly #ends: number[] = [];
  readonly #timesMs: number[] = [];

  /** Copies bytes [start, end) of `source`, which the caller may overwrite afterwards. */
  append(source: Uint8Array, start: number, end: number, atMs: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) this.#grow(length);
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#length = length;
    this.#ends.push(length);
    this.#timesMs.push(atMs);
  }

  /** Parts so far. */
  get parts(): number {
    return this.#ends.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** When byte `offset` came, for offsets that only grow: a cursor over the parts. */
  times(): (offset: number) => number {
    let part = 0;
    return (offset) => {
      while ((this.#ends[part] ?? Number.POSITIVE_INFINITY) <= offset) part++;
      return this.#timesMs[part] ?? Number.NaN;
    };
  }

  /** Gives the memory to answers to come; nothing of this one may be read after it. */
  release(): void {
    giveMemory(this.#bytes);
    this.#bytes = empty;
    this.#length = 0;
    this.#ends.length = 0;
    this.#timesMs.length = 0;
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
