/** The Llama family in one forward pass, top to bottom; Qwen2 and Qwen3 differ by a bias and a norm. */
import { assert, QuantlabError } from "../base/errors.ts";
import { type KvCacheDtype, kvBytesPerElement } from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import {
  type BatchHandle,
  type BufferHandle,
  type KvCacheHandle,
  kernels,
  type RopeTableHandle,
  sequenceStride,
} from "../kernels/binding.ts";
import type { KvScales } from "./kv-scales.ts";
import { LogitBuffer } from "./logits.ts";
import type { Batch, Logits, Model, ModelMemory } from "./model.ts";
import { inverseFrequencies } from "./rope.ts";
import { freeWeights, type LlamaWeights, memoryOf } from "./weights.ts";

/** Fixed when a model is loaded. */
export interface ModelLimits {
  /** Tokens one forward accepts at most; sizes the activations. */
  readonly maxBatchTokens: number;
  /** Positions a sequence reaches at most; sizes the RoPE table. */
  readonly maxPositions: number;
  /** Absent is BF16. */
  readonly kvCacheDtype?: KvCacheDtype | undefined;
}

export interface LoadedModel {
  readonly config: ModelConfig;
  readonly weights: LlamaWeights;
  readonly format: string;
  readonly trained: boolean;
  /** Of an FP8 KV cache, where the checkpoint has them. */
  readonly kvScales: KvScales | undefined;
}

/** Activations of one step, BF16, one row a token. */
interface Activations {
  /** [tokens, hidden]: the residual stream. */
  readonly residual: BufferHandle;
  /** [tokens, hidden]: what a norm gives to the next matrix. */
  readonly normed: BufferHandle;
  /** [tokens, (heads + 2 kvHeads) * headDim] */
  readonly qkv: BufferHandle;
  /** [tokens, heads * headDim] */
  readonly attended: BufferHandle;
  /** [tokens, hidden]: what a block adds to the residual. */
  readonly added: BufferHandle;
  /** [tokens, 2 * intermediate] */
  readonly gateUp: BufferHandle;
  /** [tokens, intermediate] */
  readonly gated: BufferHandle;
}

function createActivations(config: ModelConfig, tokens: number): Activations {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const create = (columns: number) => kernels.createBuffer("bf16", tokens * columns);
  return {
    residual: create(hiddenSize),
    normed: create(hiddenSize),
    qkv: create((heads + 2 * kvHeads) * headDim),
    attended: create(heads * headDim),
    added: create(hiddenSize),
    gateUp: create(2 * intermediateSize),
    gated: create(intermediateSize),
  };
}

export class LlamaModel implements Model {
  readonly config: ModelConfig;
  readonly format: string;
  readonly trained: boolean;
  readonly memory: ModelMemory;
  readonly maxBatchTokens: number;
  readonly lmHead: string;
  readonly kvCacheDtype: KvCacheDtype;
  readonly kvScalesCalibrated: boolean;
  readonly kvBytesPerToken: number;
  readonly #kvScales: KvScales | undefined;
  readonly #weights: LlamaWeights;
  readonly #activations: Activations;
  readonly #batch: BatchHandle;
  readonly #rope: RopeTableHandle;
  readonly #logits: LogitBuffer;
  #cache: KvCacheHandle | undefined;

  constructor(model: LoadedModel, limits: ModelLimits) {
    const { config } = model;
    if (limits.maxPositions > config.maxPositions) {
      throw new QuantlabError(
        "usage",
        `a context of ${limits.maxPositions} tokens was asked for, the model has ${config.maxPositions} positions`,
        { hint: `ask for at most ${config.maxPositions} (--max-model-len)` },
      );
    }
    this.config = config;
    this.format = model.format;
    this.trained = model.trained;
    this.memory = memoryOf(model.weights, config);
    this.maxBatchTokens = limits.maxBatchTokens;
    this.lmHead = model.weights.head.format;
    this.kvCacheDtype = limits.kvCacheDtype ?? "bf16";
    this.#kvScales = this.kvCacheDtype === "fp8" ? model.kvScales : undefined;
    this.kvScalesCalibrated = this.#kvScales !== undefined;
    const elements = 2 * config.layers * config.kvHeads * config.headDim;
    this.kvBytesPerToken = elements * kvBytesPerElement[this.kvCacheDtype];
    this.#weights = model.weights;
    this.#activations = createActivations(config, limits.maxBatchTokens);
    this.#batch = kernels.createBatch();
    this.#rope = kernels.createRopeTable(inverseFrequencies(config), limits.maxPositions);
    this.#logits = new LogitBuffer(config.hiddenSize, config.vocabSize);
  }

  allocateKvCache(blocks: number, blockSize: number): void {
    assert(this.#cache === undefined, "the KV cache is allocated once");
    const { layers, kvHeads, headDim } = this.config;
    this.#cache = kernels.createKvCache(layers, blocks, blockSize, kvHeads, headDim, {
      dtype: this.kvCacheDtype,
      keyScales: this.#kvScales?.keys,
      valueScales: this.#kvScales?.values,
    });
  }

  forward(batch: Batch): Logits {
    const tokens = batch.tokenIds.length;
    assert(tokens <= this.maxBatchTokens, "a batch fits the activations");
    assert(this.#cache !== undefined, "the KV cache is allocated before the first forward");
    this.#setBatch(batch);
    const { hiddenSize, intermediateSize, heads, rmsNormEps: eps } = this.config;
    const { embedding, blocks, finalNorm, head } = this.#weights;
    const { residual, normed, qkv, attended, added, gateUp, gated } = this.#activations;
    const step = this.#batch;
    const cache = this.#cache;

    kernels.embed(embedding.handle, step, residual);
    const firstNorm = blocks[0]?.inputNorm ?? finalNorm;
    kernels.rmsNorm(residual, firstNorm, eps, tokens, hiddenSize, normed);

    for (const [layer, block] of blocks.entries()) {
      kernels.linear(block.qkv.handle, normed, tokens, qkv);
      if (block.qkvBias) kernels.addBias(qkv, block.qkvBias, tokens, block.qkv.rows);
      const qkNorm = block.qkNorm && { ...block.qkNorm, eps };
      kernels.ropeAndCache(qkv, step, this.#rope, cache, layer, heads, qkNorm);
      kernels.attention(qkv, step, cache, layer, heads, attended);
      kernels.linear(block.output.handle, attended, tokens, added);
      kernels.addRmsNorm(residual, added, block.postNorm, eps, tokens, hiddenSize, normed);

      kernels.linear(block.gateUp.handle, normed, tokens, gateUp);
      kernels.siluMultiply(gateUp, tokens, intermediateSize, gated);
      kernels.linear(block.down.handle, gated, tokens, added);
      const nextNorm = blocks[layer + 1]?.inputNorm ?? finalNorm;
      kernels.addRmsNorm(residual, added, nextNorm, eps, tokens, hiddenSize, normed);
    }
    return this.#logits.compute(normed, step, batch.logitRows.length, head);
  }

  /** Hands the step to the kernels: `sequenceStride` numbers a sequence, block tables end to end. */
  #setBatch(batch: Batch): void {
    const sequences = new Int32Array(batch.sequences.length * sequenceStride);
    const tables: number[] = [];
    for (const [i, sequence] of batch.sequences.entries()) {
      const { firstRow, rows, contextLength, blockTable } = sequence;
      sequences.set([firstRow, rows, contextLength, tables.length], i * sequenceStride);
      for (const block of blockTable) tables.push(block);
    }
    const { tokenIds, positions, slots, logitRows } = batch;
    const blockTables = Int32Array.from(tables);
    kernels.setBatch(this.#batch, tokenIds, positions, slots, sequences, blockTables, logitRows);
  }

  close(): void {
    freeWeights(this.#weights);
    for (const buffer of Object.values(this.#activations)) kernels.freeBuffer(buffer);
    this.#logits.free();
    if (this.#cache !== undefined) kernels.freeKvCache(this.#cache);
    this.#cache = undefined;
  }
}
