/** The typed face of the native addon, and the only file that loads a .node file. */
import { createRequire } from "node:module";
import { QuantlabError } from "../base/errors.ts";

declare const brand: unique symbol;
/** Native memory that JavaScript holds but cannot look into; freed by its free function or the GC. */
interface Handle<Kind extends string> {
  readonly [brand]: Kind;
}
/** A flat, 64-byte aligned array of activations. */
export type BufferHandle = Handle<"buffer">;
/** A linear layer's matrix [rows = outputs, columns = inputs] in one format's packed kernel layout. */
export type WeightHandle = Handle<"weight">;
/** Paged keys and values of all layers. */
export type KvCacheHandle = Handle<"kv-cache">;
/** What one step runs: token ids, positions, slots, sequences and block tables, set by `setBatch`. */
export type BatchHandle = Handle<"batch">;
/** Cosines and sines by position. */
export type RopeTableHandle = Handle<"rope-table">;

export type BufferDtype = "bf16" | "f32" | "i32";
export type BufferData = Uint16Array | Float32Array | Int32Array;
export type IsaName = "portable" | "avx2" | "avx512" | "amx" | "neon";

export interface CpuFacts {
  /** Instruction set in use: the best one available, or the one that QUANTLAB_ISA forces. */
  readonly isa: IsaName;
  readonly available: readonly IsaName[];
  /** Feature words the dispatch looks at, for example "avx512_bf16". */
  readonly features: readonly string[];
  readonly model: string;
  /** Cores this process may run on. */
  readonly cores: number;
}

export interface MemoryFacts {
  readonly weightBytes: number;
  readonly bufferBytes: number;
  readonly kvCacheBytes: number;
}

/** A BF16 matrix times scales of its columns and rows, and how groups of it become 4-bit codes. */
export type ScaledMatrixArguments = [
  weight: Uint16Array,
  rows: number,
  columns: number,
  columnScale: Float32Array,
  rowScale: Float32Array,
  groupSize: number,
  scales: "f16" | "bf16",
  symmetric: boolean,
];

/** What a KV cache stores: BF16 numbers, or E4M3 codes of value / scale with a scale each layer. */
export interface KvElements {
  readonly dtype: "bf16" | "fp8";
  /** [layers] each, finite and above 0; ones where there are none. Of an fp8 cache only. */
  readonly keyScales?: Float32Array | undefined;
  readonly valueScales?: Float32Array | undefined;
}

/** What a weight's kernel has to know beside its tensors. */
export interface WeightOptions {
  /** Columns that share a scale: awq always, fp8 block-wise. */
  readonly groupSize?: number;
  /** "plain" (awq) dequantizes the whole weight to memory at each product. */
  readonly kernel?: string;
}

/** Numbers per sequence in `setBatch`'s `sequences`. */
export const sequenceStride = 4;

/**
 * Every native function. Arguments are checked at the border (types, sizes, ranges) and a violation
 * throws a TypeError or RangeError; nothing behind it checks again. All calls are synchronous, and
 * one call does one whole op over the thread pool. Arrays are row-major. "bf16" buffers are rounded
 * to nearest even from FP32; all arithmetic inside an op is FP32.
 */
export interface Kernels {
  // --- machine -------------------------------------------------------------------------------
  cpu(): CpuFacts;
  /** Names of the formats whose kernel.cc is linked in. */
  formats(): string[];
  /** Sizes the pool, the caller's thread included; 1 runs everything in the caller. */
  setThreads(count: number): void;
  threads(): number;
  memory(): MemoryFacts;
  /** Median over repeats of reading `bytes` of memory once with all threads: bytes per second. */
  probeReadBandwidth(bytes: number, repeats: number): number;
  /**
   * Best achievable multiply-add rate of the inner product in use for these operands: operations per second. 0 for
   * int8 where the instruction set in use has no instruction for it.
   */
  probePeakFlops(dtype: "bf16" | "f32" | "int8", milliseconds: number): number;

  // --- buffers -------------------------------------------------------------------------------
  createBuffer(dtype: BufferDtype, count: number): BufferHandle;
  /** Copies in; the array's type must fit the dtype (Uint16Array for bf16). */
  writeBuffer(buffer: BufferHandle, offset: number, data: BufferData): void;
  /** Copies out `count` elements from `offset`. */
  readBuffer(buffer: BufferHandle, offset: number, count: number): BufferData;
  /** Frees now instead of at the next garbage collection; any later use throws. */
  freeBuffer(buffer: BufferHandle): void;
  /** Frees an ArrayBuffer's memory now instead of at the next garbage collection; it is empty from then on. */
  detach(buffer: ArrayBuffer): void;
  /** FP32 to BF16, round to nearest even, NaN kept: elementwise over equal lengths. */
  convertToBf16(source: Float32Array, target: Uint16Array): void;
  /**
   * Fills with BF16 of N(0, std^2) samples: element i depends on (seed, firstIndex + i) alone, so the
   * result does not depend on threads or on how a tensor is cut. Fast (hundreds of millions a second).
   */
  fillNormal(target: Uint16Array, seed: number, firstIndex: number, std: number): void;

  // --- weights -------------------------------------------------------------------------------
  /**
   * Packs canonical tensors of a format into its kernel layout.
   * bf16: { weight: Uint16Array [rows, columns] }
   * fp8:  { weight: Uint8Array [rows, columns] E4M3 codes, scale: Float32Array [rows], or with
   *         options.groupSize [rows, ceil(columns/group)] }, and where activations have a fixed scale
   *         inputScale: Float32Array [1]
   * awq:  { codes: Uint8Array [rows, columns] values 0..15, scale: Uint16Array [rows, columns/group] F16
   *         bits, zero: Uint8Array [rows, columns/group] values 0..15 }, options.groupSize
   */
  packWeight(
    format: string,
    rows: number,
    columns: number,
    tensors: Readonly<Record<string, Uint8Array | Uint16Array | Float32Array>>,
    options: WeightOptions,
  ): WeightHandle;
  /**
   * Round-to-nearest quantization of a BF16 matrix straight into the kernel layout: equal, code for
   * code, to packing what the format's quantize.ts gives. NaN or Inf throws a RangeError.
   */
  quantizeWeight(
    format: string,
    rows: number,
    columns: number,
    weight: Uint16Array,
    options: WeightOptions,
  ): WeightHandle;
  /** Bytes allocated for this weight, scales and zeros included. */
  weightBytes(weight: WeightHandle): number;
  /** One row as the kernel sees it, in FP32 (code times scale). */
  dequantizeRow(weight: WeightHandle, row: number): Float32Array;
  freeWeight(weight: WeightHandle): void;
  /**
   * out[m, rows] = x[m, columns] times weight transposed. x is bf16; out is bf16 or f32; FP32 sums.
   * fp8 quantizes each row of x first: by its own scale (true division), by one for each group of its
   * columns where the weight has groups, or by the weight's inputScale.
   */
  linear(weight: WeightHandle, x: BufferHandle, m: number, out: BufferHandle): void;
  /** out[t, columns] = row tokenIds[t] of a bf16 weight, for the batch's tokens. */
  embed(weight: WeightHandle, batch: BatchHandle, out: BufferHandle): void;

  // --- quantizing whole matrices ---------------------------------------------------------------
  /**
   * E4M3 codes of a BF16 matrix and one FP32 scale a tile, spread over the tile's rows: the rules and
   * bits of formats/fp8/quantize.ts. NaN or Inf throws a RangeError.
   * @param floor smallest absolute maximum of a tile
   * @param scale [rows, ceil(columns / tileColumns)]
   */
  quantizeE4m3(
    weight: Uint16Array,
    rows: number,
    columns: number,
    tileRows: number,
    tileColumns: number,
    floor: number,
    codes: Uint8Array,
    scale: Float32Array,
  ): void;
  /**
   * 4-bit codes of weight * columnScale * rowScale in groups of columns, values beyond +-limit cut.
   * @param scales "bf16" makes every scale one that BF16 holds too
   * @param limit [rows, groups]
   */
  quantizeInt4(
    ...matrix: [
      ...ScaledMatrixArguments,
      limit: Float32Array,
      codes: Uint8Array,
      scale: Uint16Array,
      zero: Uint8Array,
    ]
  ): void;
  /**
   * Sum over tokens and outputs of the squared error that quantizing with these column scales makes
   * in x times weight transposed; rowScale is not looked at. The error is rounded to BF16 before the
   * product. x [tokens, columns] BF16.
   */
  outputError(...matrix: [...ScaledMatrixArguments, x: Uint16Array, tokens: number]): number;
  /**
   * Where to cut each group: of max |value| * (1 - i / 20), i = 0..9, the first with the smallest
   * squared error of the outputs. @param gram [groups, groupSize, groupSize], of the inputs of each group
   */
  searchLimits(
    ...matrix: [...ScaledMatrixArguments, gram: Float32Array, limit: Float32Array]
  ): void;
  /**
   * Moves codes by single steps, in place, as long as the squared error of the outputs falls, block of
   * columns by block: rounding to nearest is best for each weight alone, not for their sum.
   * @param width of the Gram matrices [columns / width, width, width]; whole groups
   */
  descendCodes(
    ...matrix: [
      ...ScaledMatrixArguments,
      width: number,
      gram: Float32Array,
      scale: Uint16Array,
      zero: Uint8Array,
      codes: Uint8Array,
    ]
  ): void;
  /**
   * gram[b] += x_b transposed times x_b, over tokens, for each block of `width` columns of x; a
   * multiple of 32, at most 512.
   */
  addGram(x: Uint16Array, tokens: number, columns: number, width: number, gram: Float32Array): void;
  /** sums[k] += |x[row, k]| over rows; with a group size, divided by the largest of its group + 1e-6. */
  addMagnitudes(
    x: Uint16Array,
    rows: number,
    columns: number,
    groupSize: number,
    sums: Float32Array,
  ): void;

  // --- ops -----------------------------------------------------------------------------------
  createBatch(): BatchHandle;
  /**
   * @param tokenIds, positions, slots one entry a token; slot = block * blockSize + offset in block
   * @param sequences per sequence: first token row, number of token rows, context length after this
   *   step, first index of its block table in `blockTables` (`sequenceStride` numbers)
   * @param logitRows token rows whose logits are wanted
   */
  setBatch(
    batch: BatchHandle,
    tokenIds: Int32Array,
    positions: Int32Array,
    slots: Int32Array,
    sequences: Int32Array,
    blockTables: Int32Array,
    logitRows: Int32Array,
  ): void;
  /** out = bf16(bf16(x * rsqrt(mean(x^2) + eps)) * weight), rows of `columns`. */
  rmsNorm(
    x: BufferHandle,
    weight: BufferHandle,
    eps: number,
    rows: number,
    columns: number,
    out: BufferHandle,
  ): void;
  /** residual = bf16(residual + x), then out = rmsNorm(residual). */
  addRmsNorm(
    residual: BufferHandle,
    x: BufferHandle,
    weight: BufferHandle,
    eps: number,
    rows: number,
    columns: number,
    out: BufferHandle,
  ): void;
  /** x[row, :] = bf16(x + bias), bias [columns] bf16. */
  addBias(x: BufferHandle, bias: BufferHandle, rows: number, columns: number): void;
  /** @param inverseFrequencies [headDim / 2], scaling already applied */
  createRopeTable(inverseFrequencies: Float32Array, positions: number): RopeTableHandle;
  createKvCache(
    layers: number,
    blocks: number,
    blockSize: number,
    kvHeads: number,
    headDim: number,
    elements?: KvElements,
  ): KvCacheHandle;
  freeKvCache(cache: KvCacheHandle): void;
  /**
   * qkv [tokens, (heads + 2 kvHeads) * headDim] bf16: optionally RMSNorm of each query and key head
   * (qNorm, kNorm [headDim]; Qwen3), then RoPE (half-split) on both, in place; keys and values go to
   * the batch's slots of `layer`, in an fp8 cache as E4M3 codes of value / scale, saturating at 448.
   */
  ropeAndCache(
    qkv: BufferHandle,
    batch: BatchHandle,
    table: RopeTableHandle,
    cache: KvCacheHandle,
    layer: number,
    heads: number,
    qkNorm:
      | { readonly q: BufferHandle; readonly k: BufferHandle; readonly eps: number }
      | undefined,
  ): void;
  /** Causal paged attention, scale headDim^-1/2, FP32 softmax; out [tokens, heads * headDim] bf16. */
  attention(
    qkv: BufferHandle,
    batch: BatchHandle,
    cache: KvCacheHandle,
    layer: number,
    heads: number,
    out: BufferHandle,
  ): void;
  /** out[m, i] = bf16(bf16(silu(gate)) * up), from gateUp [m, 2 * intermediate] (gate first). */
  siluMultiply(gateUp: BufferHandle, m: number, intermediate: number, out: BufferHandle): void;
  /** out[i, :] = x[logitRows[i], :]. */
  gatherLogitRows(x: BufferHandle, batch: BatchHandle, columns: number, out: BufferHandle): void;
  /** Index of the largest logit of a row of f32 [rows, vocabSize]; the lowest index wins a tie. */
  argmax(logits: BufferHandle, row: number, vocabSize: number): number;
  /** The same of the first `rows` rows, on all threads. */
  argmaxRows(logits: BufferHandle, rows: number, vocabSize: number): Int32Array;
  /**
   * One token from softmax(logits / temperature) cut to topK (0 = off) and topP (1 = off), by the
   * inverse distribution function at `uniform` in [0, 1), tokens in order of falling probability.
   */
  sample(
    logits: BufferHandle,
    row: number,
    vocabSize: number,
    temperature: number,
    topK: number,
    topP: number,
    uniform: number,
  ): number;
}

const nodeRequire = createRequire(import.meta.url);

function load(): Kernels {
  // One level deep both from src/ and from dist/, so the same relative path serves both.
  const path = "../../build/Release/kernels.node";
  try {
    return nodeRequire(path) as Kernels;
  } catch (cause) {
    throw new QuantlabError("addon-missing", "the native addon could not be loaded", {
      hint: "run `npm run build:native`; it needs g++ (or clang++), make and python3",
      cause,
    });
  }
}

/** The addon, loaded once per thread. */
export const kernels: Kernels = load();
