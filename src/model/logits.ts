/** The end of a forward: the wanted rows through the head, kept in FP32 for the sampler. */
import type { Weight } from "../formats/format.ts";
import { type BatchHandle, type BufferHandle, kernels } from "../kernels/binding.ts";
import type { Logits, SamplingChoice } from "./model.ts";

/** Grows to the largest number of rows ever wanted at once, so that memory follows concurrency. */
export class LogitBuffer {
  readonly #hiddenSize: number;
  readonly #vocabSize: number;
  #capacity = 0;
  /** BF16 [capacity, hidden] */
  #gathered: BufferHandle | undefined;
  /** FP32 [capacity, vocab] */
  #logits: BufferHandle | undefined;

  constructor(hiddenSize: number, vocabSize: number) {
    this.#hiddenSize = hiddenSize;
    this.#vocabSize = vocabSize;
  }

  /** Logits of the batch's `rows` wanted rows of `normed` [tokens, hidden]. */
  compute(normed: BufferHandle, batch: BatchHandle, rows: number, head: Weight): Logits {
    if (rows === 0) return new BufferedLogits(undefined, 0, this.#vocabSize);
    const { gathered, logits } = this.#reserve(rows);
    kernels.gatherLogitRows(normed, batch, this.#hiddenSize, gathered);
    kernels.linear(head.handle, gathered, rows, logits);
    return new BufferedLogits(logits, rows, this.#vocabSize);
  }

  free(): void {
    if (this.#gathered !== undefined) kernels.freeBuffer(this.#gathered);
    if (this.#logits !== undefined) kernels.freeBuffer(this.#logits);
    this.#gathered = undefined;
    this.#logits = undefined;
    this.#capacity = 0;
  }

  #reserve(rows: number): { gathered: BufferHandle; logits: BufferHandle } {
    if (this.#gathered === undefined || this.#logits === undefined || rows > this.#capacity) {
      this.free();
      this.#capacity = 2 ** Math.ceil(Math.log2(rows));
      this.#gathered = kernels.createBuffer("bf16", this.#capacity * this.#hiddenSize);
      this.#logits = kernels.createBuffer("f32", this.#capacity * this.#vocabSize);
    }
    return { gathered: this.#gathered, logits: this.#logits };
  }
}

class BufferedLogits implements Logits {
  readonly rows: number;
  readonly vocabSize: number;
  readonly #buffer: BufferHandle | undefined;
  /** Of all rows, once one is asked for: most are in a batch of greedy requests. */
  #largest: Int32Array | undefined;
  readonly #changed = new Set<number>();

  constructor(buffer: BufferHandle | undefined, rows: number, vocabSize: number) {
    this.#buffer = buffer;
    this.rows = rows;
    this.vocabSize = vocabSize;
  }

  argmax(row: number): number {
    const buffer = this.#at(row);
    if (this.rows === 1 || this.#changed.has(row)) {
      return kernels.argmax(buffer, row, this.vocabSize);
    }
    this.#largest ??= kernels.argmaxRows(buffer, this.rows, this.vocabSize);
    return this.#largest[row] as number;
  }

  sample(row: number, choice: SamplingChoice, uniform: number): number {
    const { temperature, topK, topP } = choice;
    // Greedy is the limit of a falling temperature, where the division would overflow.
    if (temperature === 0) return this.argmax(row);
    return kernels.sample(this.#at(row), row, this.vocabSize, temperature, topK, topP, uniform);
  }

  read(row: number): Float32Array {
    const values = kernels.readBuffer(this.#at(row), row * this.vocabSize, this.vocabSize);
    if (!(values instanceof Float32Array)) throw new TypeError("logits are FP32");
    return values;
  }

  write(row: number, values: Float32Array): void {
    if (values.length !== this.vocabSize) throw new RangeError("a row has one value a token");
    kernels.writeBuffer(this.#at(row), row * this.vocabSize, values);
    this.#changed.add(row);
  }

  /** The buffer holds more rows than this step computed; a stale one must not be read. */
  #at(row: number): BufferHandle {
    if (this.#buffer === undefined || row < 0 || row >= this.rows) {
      throw new RangeError(`logit row ${row} of ${this.rows}`);
    }
    return this.#buffer;
  }
}
