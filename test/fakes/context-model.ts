/**
 * A model in plain TypeScript for tests: its logits are a hash of the context that it reads back
 * through the block tables, so any mistake in slots, tables or scheduling changes the output.
 */
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import type { Batch, BatchSequence, Logits, Model, SamplingChoice } from "../../src/model/model.ts";

export interface ContextModelOptions {
  readonly vocabSize?: number;
  readonly eosTokenIds?: readonly number[];
  readonly maxBatchTokens?: number;
  /** Called before each forward; may throw. */
  readonly onForward?: (batch: Batch) => void;
}

export class ContextModel implements Model {
  readonly config: ModelConfig;
  readonly format = "bf16";
  readonly trained = false;
  readonly memory = {
    embeddingBytes: 1,
    headBytes: 0,
    linearBytes: 2,
    normBytes: 3,
    totalBytes: 6,
    linearBitsPerWeight: 16,
  };
  readonly maxBatchTokens: number;
  readonly lmHead = "bf16";
  readonly kvCacheDtype = "bf16";
  readonly kvScalesCalibrated = false;
  readonly kvBytesPerToken = 8;
  closed = false;
  /** Token and position by slot; the pair must be what the block table promises. */
  #tokens = new Int32Array(0);
  #positions = new Int32Array(0);
  #blockSize = 1;
  readonly #onForward: (batch: Batch) => void;

  constructor(options: ContextModelOptions = {}) {
    this.config = {
      ...shape,
      vocabSize: options.vocabSize ?? 97,
      eosTokenIds: options.eosTokenIds ?? [],
    };
    this.maxBatchTokens = options.maxBatchTokens ?? 4096;
    this.#onForward = options.onForward ?? (() => undefined);
  }

  allocateKvCache(blocks: number, blockSize: number): void {
    this.#blockSize = blockSize;
    this.#tokens = new Int32Array(blocks * blockSize).fill(-1);
    this.#positions = new Int32Array(blocks * blockSize).fill(-1);
  }

  forward(batch: Batch): Logits {
    this.#onForward(batch);
    if (batch.tokenIds.length > this.maxBatchTokens) throw new Error("the batch is too long");
    for (const [row, slot] of batch.slots.entries()) {
      if (slot < 0 || slot >= this.#tokens.length) throw new Error(`slot ${slot} does not exist`);
      this.#tokens[slot] = batch.tokenIds[row] ?? -1;
      this.#positions[slot] = batch.positions[row] ?? -1;
    }
    const hashes = [...batch.logitRows].map((row) => {
      const sequence = batch.sequences.find((s) => row >= s.firstRow && row < s.firstRow + s.rows);
      if (sequence === undefined) throw new Error(`row ${row} is of no sequence`);
      const after = sequence.firstRow + sequence.rows - 1 - row;
      return this.#hashContext({
        ...sequence,
        contextLength: sequence.contextLength - after,
      });
    });
    return new HashLogits(hashes, this.config.vocabSize);
  }

  close(): void {
    this.closed = true;
  }

  #hashContext(sequence: BatchSequence): number {
    let hash = 0x811c9dc5;
    for (let position = 0; position < sequence.contextLength; position++) {
      const block = sequence.blockTable[Math.floor(position / this.#blockSize)] ?? -1;
      const slot = block * this.#blockSize + (position % this.#blockSize);
      if (this.#positions[slot] !== position) {
        throw new Error(`slot ${slot} holds position ${this.#positions[slot]}, not ${position}`);
      }
      hash = mix(hash ^ ((this.#tokens[slot] ?? -1) + 1));
    }
    return hash;
  }
}

class HashLogits implements Logits {
  readonly rows: number;
  readonly vocabSize: number;
  readonly #hashes: readonly number[];
  readonly #written = new Map<number, Float32Array>();

  constructor(hashes: readonly number[], vocabSize: number) {
    this.rows = hashes.length;
    this.vocabSize = vocabSize;
    this.#hashes = hashes;
  }

  argmax(row: number): number {
    const logits = this.read(row);
    return logits.indexOf(Math.max(...logits));
  }

  sample(row: number, choice: SamplingChoice, uniform: number): number {
    const order = [...this.read(row)]
      .map((logit, id) => ({ id, weight: Math.exp(logit / choice.temperature) }))
      .sort((a, b) => b.weight - a.weight || a.id - b.id)
      .slice(0, choice.topK === 0 ? undefined : choice.topK);
    const total = order.reduce((sum, { weight }) => sum + weight, 0);
    let left = uniform * total;
    for (const { id, weight } of order) {
      left -= weight;
      if (left < 0) return id;
    }
    return order[0]?.id ?? 0;
  }

  read(row: number): Float32Array {
    const written = this.#written.get(row);
    if (written !== undefined) return written;
    const hash = this.#hashes[row] ?? 0;
    return Float32Array.from(
      { length: this.vocabSize },
      (_, id) => (mix(hash + id) >>> 0) / 2 ** 30,
    );
  }

  write(row: number, values: Float32Array): void {
    this.#written.set(row, values);
  }
}

function mix(value: number): number {
  let z = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

const shape: ModelConfig = {
  architecture: "LlamaForCausalLM",
  hiddenSize: 8,
  intermediateSize: 16,
  layers: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 8,
  vocabSize: 97,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "default" },
  maxPositions: 2048,
  tieWordEmbeddings: true,
  qkvBias: false,
  qkNorm: false,
  bosTokenId: undefined,
  eosTokenIds: [],
  quantization: undefined,
};
