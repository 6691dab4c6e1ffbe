/** What a model is to the engine: a batch of tokens in, logits out. */
import type { KvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";

/** One sequence's part in a step. */
export interface BatchSequence {
  /** First of its rows in the batch's tokens. */
  readonly firstRow: number;
  /** Rows it has in this step: 1 in decode, a chunk of the prompt in prefill. */
  readonly rows: number;
  /** Tokens in its context once this step's rows are in the cache. */
  readonly contextLength: number;
  /** Physical block of each block of its context, in order. */
  readonly blockTable: readonly number[];
}

/** Everything one step runs; rows of all sequences one after another. */
export interface Batch {
  readonly tokenIds: Int32Array;
  readonly positions: Int32Array;
  /** Where each row's key and value go: block * blockSize + offset. */
  readonly slots: Int32Array;
  readonly sequences: readonly BatchSequence[];
  /** Rows whose logits are wanted: the last row of each sequence that samples in this step. */
  readonly logitRows: Int32Array;
}

export interface SamplingChoice {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** 1 is off. */
  readonly topP: number;
}

/** Logits of the batch's logitRows, valid until the next forward. */
export interface Logits {
  readonly rows: number;
  readonly vocabSize: number;
  /** The most likely token; the lowest id wins a tie. */
  argmax(row: number): number;
  /** A token drawn at `uniform` in [0, 1). */
  sample(row: number, choice: SamplingChoice, uniform: number): number;
  /** A copy of one row, FP32 [vocabSize]. */
  read(row: number): Float32Array;
  /** Replaces one row, for a sampler that changes logits. */
  write(row: number, values: Float32Array): void;
}

/** Bytes of a loaded model by group. */
export interface ModelMemory {
  readonly embeddingBytes: number;
  /** 0 when tied to the embedding. */
  readonly headBytes: number;
  readonly linearBytes: number;
  readonly normBytes: number;
  readonly totalBytes: number;
  /** Bits per weight of the quantized linears, scales and zeros included. */
  readonly linearBitsPerWeight: number;
}

export interface Model {
  readonly config: ModelConfig;
  readonly format: string;
  /** Whether its weights were trained; dummy weights are not. */
  readonly trained: boolean;
  readonly memory: ModelMemory;
  /** Tokens one `forward` accepts at most. */
  readonly maxBatchTokens: number;
  /** What the output head is kept in; embeddings are BF16 whatever it is. */
  readonly lmHead: string;
  readonly kvCacheDtype: KvCacheDtype;
  /** Whether an FP8 cache has scales from the checkpoint; otherwise they are 1. */
  readonly kvScalesCalibrated: boolean;
  /** Bytes of cache one token takes, keys and values of all layers. */
  readonly kvBytesPerToken: number;
  /** Allocates the cache; called once, before the first forward. */
  allocateKvCache(blocks: number, blockSize: number): void;
  forward(batch: Batch): Logits;
  /** Frees native memory. */
  close(): void;
}
