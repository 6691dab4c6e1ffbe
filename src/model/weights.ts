/** What a Llama-family model holds in native memory, and how its bytes divide into groups. */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { parameterCounts } from "../checkpoint/shapes.ts";
import type { Weight } from "../formats/format.ts";
import { type BufferHandle, kernels } from "../kernels/binding.ts";
import type { ModelMemory } from "./model.ts";

/** Weights of one block. BF16 buffers unless said otherwise. */
export interface BlockWeights {
  /** [hidden] */
  readonly inputNorm: BufferHandle;
  /** [(heads + 2 kvHeads) * headDim, hidden]: queries, keys, values stacked. */
  readonly qkv: Weight;
  /** [(heads + 2 kvHeads) * headDim], where the architecture has it. */
  readonly qkvBias: BufferHandle | undefined;
  /** [headDim] each, where the architecture has them. */
  readonly qkNorm: { readonly q: BufferHandle; readonly k: BufferHandle } | undefined;
  /** [hidden, heads * headDim] */
  readonly output: Weight;
  /** [hidden] */
  readonly postNorm: BufferHandle;
  /** [2 * intermediate, hidden]: gate, then up. */
  readonly gateUp: Weight;
  /** [hidden, intermediate] */
  readonly down: Weight;
}

export interface LlamaWeights {
  /** BF16 [vocab, hidden]. */
  readonly embedding: Weight;
  readonly blocks: readonly BlockWeights[];
  /** [hidden] */
  readonly finalNorm: BufferHandle;
  /** [vocab, hidden], BF16 unless asked otherwise; the embedding itself when tied and in BF16. */
  readonly head: Weight;
}

const linearsOf = (block: BlockWeights): Weight[] => [
  block.qkv,
  block.output,
  block.gateUp,
  block.down,
];

/** Exact bytes by group, as allocated. */
export function memoryOf(weights: LlamaWeights, config: ModelConfig): ModelMemory {
  const parameters = parameterCounts(config);
  const linears = weights.blocks.flatMap(linearsOf);
  const linearBytes = linears.reduce((sum, weight) => sum + weight.bytes, 0);
  const embeddingBytes = weights.embedding.bytes;
  const headBytes = weights.head === weights.embedding ? 0 : weights.head.bytes;
  const normBytes = 2 * parameters.norm;
  return {
    embeddingBytes,
    headBytes,
    linearBytes,
    normBytes,
    totalBytes: embeddingBytes + headBytes + linearBytes + normBytes,
    linearBitsPerWeight: (8 * linearBytes) / parameters.linear,
  };
}

/** Frees everything at once. */
export function freeWeights(weights: LlamaWeights): void {
  const whole = new Set([weights.embedding, weights.head, ...weights.blocks.flatMap(linearsOf)]);
  for (const weight of whole) kernels.freeWeight(weight.handle);
  kernels.freeBuffer(weights.finalNorm);
  for (const block of weights.blocks) {
    const { inputNorm, postNorm, qkvBias, qkNorm } = block;
    for (const buffer of [inputNorm, postNorm, qkvBias, qkNorm?.q, qkNorm?.k]) {
      if (buffer !== undefined) kernels.freeBuffer(buffer);
    }
  }
}
