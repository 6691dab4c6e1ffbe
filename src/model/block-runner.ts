/** Runs calibration tokens through one block after another in BF16, recording what each linear reads. */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { bf16ToFloat } from "../formats/float16.ts";
import { type BufferHandle, kernels } from "../kernels/binding.ts";
import type { DenseBlock, LinearStack } from "./dense-block.ts";
import { inverseFrequencies } from "./rope.ts";

/** Inputs of the four stacks of linears over all tokens, BF16 [tokens, columns]. */
export interface BlockInputs {
  readonly tokens: number;
  readonly qkv: Uint16Array;
  readonly output: Uint16Array;
  readonly gateUp: Uint16Array;
  readonly down: Uint16Array;
  /** Largest magnitudes that an FP8 KV cache would have to hold: keys as they are cached, and values. */
  readonly kvMaxima: KvMaxima;
}

export interface KvMaxima {
  readonly key: number;
  readonly value: number;
}

/** Tokens that run at once; bounds the activations' memory whatever the calibration set. */
const chunkTokens = 2048;

const blockSize = 16;

/** Sequences that run together, rows one after another. */
interface Chunk {
  readonly firstToken: number;
  readonly tokens: number;
  readonly lengths: readonly number[];
}

function chunksOf(lengths: readonly number[]): Chunk[] {
  const chunks: { firstToken: number; tokens: number; lengths: number[] }[] = [];
  let firstToken = 0;
  for (const length of lengths) {
    const last = chunks.at(-1);
    if (last !== undefined && last.tokens + length <= chunkTokens) {
      last.tokens += length;
      last.lengths.push(length);
    } else chunks.push({ firstToken, tokens: length, lengths: [length] });
    firstToken += length;
  }
  return chunks;
}

const blocksOf = (length: number) => Math.ceil(length / blockSize);

/** A function that uses a buffer of values and frees it. */
function withBuffer<T>(values: Uint16Array, use: (buffer: BufferHandle) => T): T {
  const buffer = kernels.createBuffer("bf16", values.length);
  try {
    kernels.writeBuffer(buffer, 0, values);
    return use(buffer);
  } finally {
    kernels.freeBuffer(buffer);
  }
}

export class BlockRunner {
  readonly #config: ModelConfig;
  readonly #chunks: readonly Chunk[];
  readonly #tokens: number;
  /** The residual stream before the next block, [tokens, hidden]. */
  readonly #residual: Uint16Array;

  /** @param embeddingRow the embedding of a token id */
  constructor(
    config: ModelConfig,
    sequences: readonly (readonly number[])[],
    embeddingRow: (tokenId: number) => Uint16Array,
  ) {
    this.#config = config;
    this.#chunks = chunksOf(sequences.map(({ length }) => length));
    this.#tokens = sequences.reduce((sum, { length }) => sum + length, 0);
    this.#residual = new Uint16Array(this.#tokens * config.hiddenSize);
    let row = 0;
    for (const tokenId of sequences.flat()) {
      this.#residual.set(embeddingRow(tokenId), row * config.hiddenSize);
      row++;
    }
  }

  /** Runs the next block; the residual stream is then that of the one after. */
  run(block: DenseBlock): BlockInputs {
    const { hiddenSize, intermediateSize, heads, headDim } = this.#config;
    const record = (columns: number) => new Uint16Array(this.#tokens * columns);
    const inputs = {
      tokens: this.#tokens,
      qkv: record(hiddenSize),
      output: record(heads * headDim),
      gateUp: record(hiddenSize),
      down: record(intermediateSize),
    };
    let kvMaxima: KvMaxima = { key: 0, value: 0 };
    const most = Math.max(...this.#chunks.map((chunk) => chunk.tokens));
    const step = new ChunkStep(this.#config, block, most, this.#largestCache());
    try {
      for (const chunk of this.#chunks) {
        const from = chunk.firstToken * hiddenSize;
        const residual = this.#residual.subarray(from, from + chunk.tokens * hiddenSize);
        const found = step.run(chunk, residual);
        for (const name of ["qkv", "output", "gateUp", "down"] as const) {
          const columns = inputs[name].length / this.#tokens;
          inputs[name].set(found[name], chunk.firstToken * columns);
        }
        residual.set(found.residual);
        kvMaxima = {
          key: Math.max(kvMaxima.key, found.kvMaxima.key),
          value: Math.max(kvMaxima.value, found.kvMaxima.value),
        };
      }
    } finally {
      step.close();
    }
    return { ...inputs, kvMaxima };
  }

  #largestCache(): number {
    const blocks = this.#chunks.map(({ lengths }) =>
      lengths.reduce((sum, length) => sum + blocksOf(length), 0),
    );
    return Math.max(...blocks);
  }
}

/** One block's weights and activations in native memory while its chunks run. */
class ChunkStep {
  readonly #config: ModelConfig;
  readonly #block: DenseBlock;
  readonly #buffers: BufferHandle[] = [];
  readonly #weights;
  readonly #activations;
  readonly #batch = kernels.createBatch();
  readonly #rope;
  readonly #cache;

  constructor(config: ModelConfig, block: DenseBlock, tokens: number, cacheBlocks: number) {
    this.#config = config;
    this.#block = block;
    const { hiddenSize, kvHeads, headDim } = config;
    const pack = ({ rows, columns, weight }: LinearStack) =>
      kernels.packWeight("bf16", rows, columns, { weight }, {});
    const { qkv, output, gateUp, down } = block;
    this.#weights = {
      qkv: pack(qkv),
      output: pack(output),
      gateUp: pack(gateUp),
      down: pack(down),
    };
    const create = (columns: number) => this.#keep(kernels.createBuffer("bf16", tokens * columns));
    this.#activations = {
      residual: create(hiddenSize),
      normed: create(hiddenSize),
      qkv: create(qkv.rows),
      attended: create(output.columns),
      added: create(hiddenSize),
      gateUp: create(gateUp.rows),
      gated: create(down.columns),
    };
    this.#rope = kernels.createRopeTable(inverseFrequencies(config), tokens);
    this.#cache = kernels.createKvCache(1, cacheBlocks, blockSize, kvHeads, headDim);
  }

  /** The block as LlamaModel runs it, with each linear's input read out. */
  run(chunk: Chunk, residualIn: Uint16Array) {
    const { hiddenSize, intermediateSize, heads, rmsNormEps: eps } = this.#config;
    const { residual, normed, qkv, attended, added, gateUp, gated } = this.#activations;
    const { tokens } = chunk;
    const block = this.#block;
    const weights = this.#weights;
    this.#setBatch(chunk);
    kernels.writeBuffer(residual, 0, residualIn);
    withBuffer(block.inputNorm, (norm) =>
      kernels.rmsNorm(residual, norm, eps, tokens, hiddenSize, normed),
    );
    const qkvInput = read(normed, tokens * hiddenSize);
    kernels.linear(weights.qkv, normed, tokens, qkv);
    if (block.qkv.bias !== undefined) {
      withBuffer(block.qkv.bias, (bias) => kernels.addBias(qkv, bias, tokens, block.qkv.rows));
    }
    this.#ropeAndCache();
    const kvMaxima = this.#kvMaxima(read(qkv, tokens * block.qkv.rows));
    kernels.attention(qkv, this.#batch, this.#cache, 0, heads, attended);
    const outputInput = read(attended, tokens * block.output.columns);
    kernels.linear(weights.output, attended, tokens, added);
    withBuffer(block.postNorm, (norm) =>
      kernels.addRmsNorm(residual, added, norm, eps, tokens, hiddenSize, normed),
    );
    const gateUpInput = read(normed, tokens * hiddenSize);
    kernels.linear(weights.gateUp, normed, tokens, gateUp);
    kernels.siluMultiply(gateUp, tokens, intermediateSize, gated);
    const downInput = read(gated, tokens * intermediateSize);
    kernels.linear(weights.down, gated, tokens, added);
    // The next block's norm does this addition in the engine; its normed output is not needed here.
    withBuffer(block.postNorm, (norm) =>
      kernels.addRmsNorm(residual, added, norm, eps, tokens, hiddenSize, normed),
    );
    return {
      qkv: qkvInput,
      output: outputInput,
      gateUp: gateUpInput,
      down: downInput,
      residual: read(residual, tokens * hiddenSize),
      kvMaxima,
    };
  }

  /** @param rows [tokens, (heads + 2 kvHeads) * headDim], keys rotated already */
  #kvMaxima(rows: Uint16Array): KvMaxima {
    const { heads, kvHeads, headDim } = this.#config;
    const columns = (heads + 2 * kvHeads) * headDim;
    let [key, value] = [0, 0];
    for (let row = 0; row < rows.length; row += columns) {
      const firstKey = row + heads * headDim;
      const firstValue = firstKey + kvHeads * headDim;
      key = Math.max(key, largestMagnitude(rows.subarray(firstKey, firstValue)));
      value = Math.max(value, largestMagnitude(rows.subarray(firstValue, row + columns)));
    }
    return { key: bf16ToFloat(key), value: bf16ToFloat(value) };
  }

  #ropeAndCache(): void {
    const { heads, rmsNormEps: eps } = this.#config;
    const { qkv } = this.#activations;
    const rotate = (qkNorm: { q: BufferHandle; k: BufferHandle; eps: number } | undefined) =>
      kernels.ropeAndCache(qkv, this.#batch, this.#rope, this.#cache, 0, heads, qkNorm);
    const { qkNorm } = this.#block;
    if (qkNorm === undefined) rotate(undefined);
    else withBuffer(qkNorm.q, (q) => withBuffer(qkNorm.k, (k) => rotate({ q, k, eps })));
  }

  #setBatch({ tokens, lengths }: Chunk): void {
    const positions = new Int32Array(tokens);
    const slots = new Int32Array(tokens);
    const sequences: number[] = [];
    const tables: number[] = [];
    let row = 0;
    for (const length of lengths) {
      const firstBlock = tables.length;
      sequences.push(row, length, length, firstBlock);
      for (let i = 0; i < blocksOf(length); i++) tables.push(firstBlock + i);
      for (let i = 0; i < length; i++) {
        positions[row + i] = i;
        slots[row + i] = firstBlock * blockSize + i;
      }
      row += length;
    }
    kernels.setBatch(
      this.#batch,
      new Int32Array(tokens),
      positions,
      slots,
      Int32Array.from(sequences),
      Int32Array.from(tables),
      new Int32Array(0),
    );
  }

  #keep(buffer: BufferHandle): BufferHandle {
    this.#buffers.push(buffer);
    return buffer;
  }

  close(): void {
    for (const weight of Object.values(this.#weights)) kernels.freeWeight(weight);
    for (const buffer of this.#buffers) kernels.freeBuffer(buffer);
    kernels.freeKvCache(this.#cache);
  }
}

/** As a BF16 pattern: for magnitudes the order of the bits is the order of the values. */
function largestMagnitude(patterns: Uint16Array): number {
  let largest = 0;
  for (const bits of patterns) {
    const magnitude = bits & 0x7fff;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

function read(buffer: BufferHandle, count: number): Uint16Array {
  const values = kernels.readBuffer(buffer, 0, count);
  if (!(values instanceof Uint16Array)) throw new TypeError("activations are BF16");
  return values;
}
