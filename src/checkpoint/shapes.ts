/** Named shapes for `dummy:SHAPE`: what a config.json of that model says, without its weights. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "./model-config.ts";

const llama3: Omit<
  ModelConfig,
  "hiddenSize" | "intermediateSize" | "layers" | "headDim" | "ropeScaling" | "tieWordEmbeddings"
> = {
  architecture: "LlamaForCausalLM",
  heads: 32,
  kvHeads: 8,
  vocabSize: 128256,
  rmsNormEps: 1e-5,
  ropeTheta: 500000,
  maxPositions: 131072,
  qkvBias: false,
  qkNorm: false,
  bosTokenId: 128000,
  eosTokenIds: [128001, 128008, 128009],
  quantization: undefined,
};

const llama3Scaling = { lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 };

/** By rising size. `tiny` belongs to no published model: it exists so that tests are quick. */
const shapes: Readonly<Record<string, ModelConfig>> = {
  tiny: {
    architecture: "LlamaForCausalLM",
    hiddenSize: 128,
    intermediateSize: 256,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    vocabSize: 512,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: { type: "default" },
    maxPositions: 2048,
    tieWordEmbeddings: true,
    qkvBias: false,
    qkNorm: false,
    bosTokenId: 256,
    eosTokenIds: [257],
    quantization: undefined,
  },
  "smollm2-135m": {
    architecture: "LlamaForCausalLM",
    hiddenSize: 576,
    intermediateSize: 1536,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    vocabSize: 49152,
    rmsNormEps: 1e-5,
    ropeTheta: 100000,
    ropeScaling: { type: "default" },
    maxPositions: 8192,
    tieWordEmbeddings: true,
    qkvBias: false,
    qkNorm: false,
    bosTokenId: 1,
    eosTokenIds: [2],
    quantization: undefined,
  },
  "llama-3.2-1b": {
    ...llama3,
    hiddenSize: 2048,
    intermediateSize: 8192,
    layers: 16,
    headDim: 64,
    ropeScaling: { type: "llama3", factor: 32, ...llama3Scaling },
    tieWordEmbeddings: true,
  },
  "llama-3.1-8b": {
    ...llama3,
    hiddenSize: 4096,
    intermediateSize: 14336,
    layers: 32,
    headDim: 128,
    ropeScaling: { type: "llama3", factor: 8, ...llama3Scaling },
    tieWordEmbeddings: false,
  },
};

/** Names that `dummy:` takes, by rising size. */
export const shapeNames: readonly string[] = Object.keys(shapes);

/** The configuration of a named shape. @throws usage, with the names there are */
export function shapeConfig(name: string): ModelConfig {
  const config = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  if (config === undefined) {
    throw new QuantlabError("usage", `there is no dummy shape "${name}"`, {
      hint: `write one of ${shapeNames.map((shape) => `dummy:${shape}`).join(", ")}`,
    });
  }
  return config;
}

/** Parameters of a shape by group; a tied head counts once, under `embedding`. */
export interface ParameterCounts {
  readonly embedding: number;
  readonly head: number;
  /** Matrices inside the blocks: what the formats quantize. */
  readonly linear: number;
  readonly norm: number;
  readonly total: number;
}

export function parameterCounts(config: ModelConfig): ParameterCounts {
  const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = config;
  const attention = hiddenSize * headDim * (2 * heads + 2 * kvHeads);
  const mlp = 3 * hiddenSize * intermediateSize;
  const biases = config.qkvBias ? layers * headDim * (heads + 2 * kvHeads) : 0;
  const headNorms = config.qkNorm ? layers * 2 * headDim : 0;
  const embedding = vocabSize * hiddenSize;
  const head = config.tieWordEmbeddings ? 0 : embedding;
  const linear = layers * (attention + mlp);
  const norm = (2 * layers + 1) * hiddenSize + headNorms + biases;
  return { embedding, head, linear, norm, total: embedding + head + linear + norm };
}
