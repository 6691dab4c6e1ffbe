/** A loaded model as a source of logits after every token: one sequence at a time, no server, no sampling. */
import type { KvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import type { LogitsSource } from "../eval/divergence/measure.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";

const blockSize = 16;
/** Rows of one forward: enough for the kernels to reuse each weight they read. */
const chunkTokens = 128;

export interface LoadedLogits extends LogitsSource {
  readonly model: Model;
  close(): void;
}

/** @param maxTokens of a window, its prefix included. @throws what loadModel throws */
export function loadLogits(
  spec: string,
  format: string,
  maxTokens: number,
  onProgress: (fraction: number, text: string) => void,
  choices: {
    kvCacheDtype?: KvCacheDtype | undefined;
    kernel?: string | undefined;
    lmHead?: string | undefined;
  } = {},
): LoadedLogits {
  const model = loadModel({
    spec,
    format,
    maxBatchTokens: chunkTokens,
    maxPositions: maxTokens,
    ...choices,
    onProgress,
  });
  model.allocateKvCache(Math.ceil(maxTokens / blockSize), blockSize);
  return {
    model,
    vocabSize: model.config.vocabSize,
    logitsOf: (tokens) => logitsOf(model, tokens),
    close: () => model.close(),
  };
}

/** Each window begins at position 0 and takes the cache's blocks anew. */
function* logitsOf(model: Model, tokens: readonly number[]): Generator<Float32Array> {
  const blockTable = Array.from({ length: Math.ceil(tokens.length / blockSize) }, (_, i) => i);
  for (let first = 0; first < tokens.length; first += chunkTokens) {
    const tokenIds = Int32Array.from(tokens.slice(first, first + chunkTokens));
    const rows = tokenIds.length;
    // Block i of the table is block i of the cache, so a token's slot is its position.
    const positions = Int32Array.from({ length: rows }, (_, i) => first + i);
    const logits = model.forward({
      tokenIds,
      positions,
      slots: positions,
      sequences: [{ firstRow: 0, rows, contextLength: first + rows, blockTable }],
      logitRows: Int32Array.from({ length: rows }, (_, i) => i),
    });
    for (let row = 0; row < rows; row++) yield logits.read(row);
  }
}
