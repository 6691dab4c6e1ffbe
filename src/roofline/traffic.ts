/** Bytes moved and FLOPs done by one step of a Llama-family model: exact counts, no efficiency factor. */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Format, FormatOptions } from "../formats/format.ts";

/** The part of a model's configuration that decides its cost. */
export type ModelShape = Pick<
  ModelConfig,
  | "hiddenSize"
  | "intermediateSize"
  | "layers"
  | "heads"
  | "kvHeads"
  | "headDim"
  | "vocabSize"
  | "tieWordEmbeddings"
  | "qkvBias"
  | "qkNorm"
>;

/** What of a format decides its cost; every Format is one. */
export type FormatCost = Pick<Format, "name" | "bitsPerWeight"> & Partial<Pick<Format, "operands">>;

/** An output head in a format of its own; `bitsPerWeight` over its columns. */
export interface HeadCost {
  readonly format: string;
  readonly bitsPerWeight: number;
}

/** Bytes of a model as loaded, by group; embeddings, norms and a head without format stay 16-bit. */
export interface WeightBytes {
  readonly linearBytes: number;
  readonly embeddingBytes: number;
  /** 0 when the head is the embedding matrix; a quantized head is another matrix. */
  readonly headBytes: number;
  /** Norm weights and biases. */
  readonly normBytes: number;
  readonly totalBytes: number;
  /** Bits per weight over all block linears, scales and zeros included. */
  readonly linearBitsPerWeight: number;
}

/**
 * A model in one format as plain numbers, from which the cost of any step follows. It is stored in a
 * run's manifest, so that an analysis needs neither the checkpoint nor the native addon.
 */
export interface ModelTraffic {
  readonly format: string;
  /** What the matrix units multiply where the device has it. */
  readonly operands: "bf16" | "fp8" | "int8";
  readonly weights: WeightBytes;
  /** The head's format where it is not the checkpoint's own. */
  readonly lmHead?: string | undefined;
  readonly parameters: number;
  /** Linears, head (or the tied matrix) and norms: read once by every step whatever its batch. */
  readonly stepWeightBytes: number;
  /** One row of the embedding matrix: read once a token. */
  readonly embeddingRowBytes: number;
  /** Keys and values of one token in all layers. */
  readonly kvBytesPerToken: number;
  /** 2 FLOP per weight of the block linears. */
  readonly linearFlopsPerToken: number;
  /** 2 FLOP per weight of the head, for each row of logits. */
  readonly headFlopsPerLogitRow: number;
  /** Scores and weighted values: 4 FLOP per head dimension, for each query token and cached token. */
  readonly attentionFlopsPerPair: number;
}

/** What one step runs: the same for all sequences of the batch. */
export interface Step {
  readonly batch: number;
  /** Tokens of a sequence in the cache after the step. */
  readonly contextLength: number;
  /** 1 in decode, the chunk's length in prefill. */
  readonly newTokensPerSequence: number;
}

export interface StepTraffic {
  /** Weights and embedding rows. */
  readonly weightBytes: number;
  /** Keys and values read and written. */
  readonly kvBytes: number;
  readonly bytes: number;
  /** Block linears: the part that runs at the operands' rate. */
  readonly linearFlops: number;
  /** Head and attention: always 16-bit. */
  readonly otherFlops: number;
  readonly flops: number;
}

/** [rows = outputs, columns = inputs] of each linear of one block. */
export function blockLinears(shape: ModelShape): readonly (readonly [number, number])[] {
  const { hiddenSize, intermediateSize } = shape;
  const queries = shape.heads * shape.headDim;
  const keys = shape.kvHeads * shape.headDim;
  return [
    [queries, hiddenSize],
    [keys, hiddenSize],
    [keys, hiddenSize],
    [hiddenSize, queries],
    [intermediateSize, hiddenSize],
    [intermediateSize, hiddenSize],
    [hiddenSize, intermediateSize],
  ];
}

/** Weight bytes of a model in a format, by group. */
export function predictWeightBytes(
  shape: ModelShape,
  format: FormatCost,
  options: FormatOptions,
  head?: HeadCost,
): WeightBytes {
  let linearBits = 0;
  let linearWeights = 0;
  for (const [rows, columns] of blockLinears(shape)) {
    linearWeights += rows * columns * shape.layers;
    linearBits += rows * columns * shape.layers * format.bitsPerWeight(columns, options);
  }
  const embeddingBytes = 2 * shape.vocabSize * shape.hiddenSize;
  const headBytes =
    head !== undefined
      ? Math.round((shape.vocabSize * shape.hiddenSize * head.bitsPerWeight) / 8)
      : shape.tieWordEmbeddings
        ? 0
        : embeddingBytes;
  const normBytes = 2 * smallParameters(shape);
  // Bits per weight is a fraction such as 8 + 32 / columns: the product is whole only up to rounding.
  const linearBytes = Math.round(linearBits / 8);
  return {
    linearBytes,
    embeddingBytes,
    headBytes,
    normBytes,
    totalBytes: linearBytes + embeddingBytes + headBytes + normBytes,
    linearBitsPerWeight: linearBits / linearWeights,
  };
}

/** Norms (two a block and the last), query and key norms, biases of q, k and v. */
function smallParameters(shape: ModelShape): number {
  const norms = (2 * shape.layers + 1) * shape.hiddenSize;
  const headNorms = shape.qkNorm ? 2 * shape.layers * shape.headDim : 0;
  const biases = shape.qkvBias
    ? shape.layers * (shape.heads + 2 * shape.kvHeads) * shape.headDim
    : 0;
  return norms + headNorms + biases;
}

/**
 * @param kvBytesPerElement 2 for a BF16 cache, 1 for FP8
 * @param quantizedHead undefined leaves the head as it is in the checkpoint
 */
export function modelTraffic(
  shape: ModelShape,
  format: FormatCost,
  options: FormatOptions,
  kvBytesPerElement = 2,
  quantizedHead?: HeadCost,
): ModelTraffic {
  const weights = predictWeightBytes(shape, format, options, quantizedHead);
  const linears = blockLinears(shape).reduce((sum, [rows, columns]) => sum + rows * columns, 0);
  const head = shape.vocabSize * shape.hiddenSize;
  const parameters =
    linears * shape.layers + head * (shape.tieWordEmbeddings ? 1 : 2) + smallParameters(shape);
  return {
    format: format.name,
    operands: format.operands ?? "bf16",
    weights,
    parameters,
    ...(quantizedHead === undefined ? {} : { lmHead: quantizedHead.format }),
    stepWeightBytes:
      weights.linearBytes +
      (quantizedHead === undefined ? 2 * head : weights.headBytes) +
      weights.normBytes,
    embeddingRowBytes: 2 * shape.hiddenSize,
    kvBytesPerToken: 2 * shape.layers * shape.kvHeads * shape.headDim * kvBytesPerElement,
    linearFlopsPerToken: 2 * linears * shape.layers,
    headFlopsPerLogitRow: 2 * head,
    attentionFlopsPerPair: 4 * shape.heads * shape.headDim * shape.layers,
  };
}

/** What a step runs in all: sequences of any lengths, some in decode, some in a chunk of their prompt. */
export interface MixedStep {
  /** Rows of the block linears. */
  readonly tokens: number;
  /** Rows of the head: sequences that get a token. */
  readonly logitRows: number;
  /** Keys and values read and written, in tokens. */
  readonly cachedTokens: number;
  /** Query tokens times the cached tokens that each sees. */
  readonly attentionPairs: number;
}

/** One sequence's part in a step. @param contextLength tokens in the cache after it */
export function partOf(
  contextLength: number,
  newTokens: number,
): Omit<MixedStep, "logitRows" | "tokens"> {
  return {
    // Every cached token is read once, the new ones are written.
    cachedTokens: contextLength + newTokens,
    // Causal: the first new token sees contextLength - new + 1 tokens, the last all of them.
    attentionPairs: Math.max(0, (newTokens * (2 * contextLength - newTokens + 1)) / 2),
  };
}

/** The cost of one step of a model that `modelTraffic` describes. */
export function trafficOf(model: ModelTraffic, step: Step): StepTraffic {
  const { batch, contextLength, newTokensPerSequence } = step;
  const part = partOf(contextLength, newTokensPerSequence);
  return mixedTraffic(model, {
    tokens: batch * newTokensPerSequence,
    logitRows: batch,
    cachedTokens: batch * part.cachedTokens,
    attentionPairs: batch * part.attentionPairs,
  });
}

/** The cost of a step of unlike sequences. */
export function mixedTraffic(model: ModelTraffic, step: MixedStep): StepTraffic {
  const weightBytes = model.stepWeightBytes + step.tokens * model.embeddingRowBytes;
  const kvBytes = step.cachedTokens * model.kvBytesPerToken;
  const linearFlops = step.tokens * model.linearFlopsPerToken;
  const otherFlops =
    step.logitRows * model.headFlopsPerLogitRow + step.attentionPairs * model.attentionFlopsPerPair;
  return {
    weightBytes,
    kvBytes,
    bytes: weightBytes + kvBytes,
    linearFlops,
    otherFlops,
    flops: linearFlops + otherFlops,
  };
}

/** Bytes and FLOPs of one step, straight from a model's shape and a format. */
export function stepTraffic(
  shape: ModelShape,
  format: FormatCost,
  options: FormatOptions,
  step: Step,
  kvBytesPerElement = 2,
): StepTraffic {
  return trafficOf(modelTraffic(shape, format, options, kvBytesPerElement), step);
}
