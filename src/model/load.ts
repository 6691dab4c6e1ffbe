/** A TensorSource and a format become a Model: matrices stacked, quantized if asked, norms as BF16. */
import { QuantlabError } from "../base/errors.ts";
import type { KvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { type ResolvedModel, resolveModel } from "../checkpoint/resolve.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import { DummySource } from "./dummy.ts";
import { planHead, planLoading } from "./format-choice.ts";
import { readKvScales } from "./kv-scales.ts";
import { loadLlamaWeights } from "./load-llama.ts";
import type { Model } from "./model.ts";
import { constructorOf } from "./registry.ts";

/** Called as each matrix is done, with the part of all parameters loaded so far. */
export type LoadProgress = (fraction: number, text: string) => void;

export interface LoadOptions {
  /** "dummy:SHAPE", "bundled" or a folder. */
  readonly spec: string;
  /** A format's name; undefined takes the checkpoint's own. */
  readonly format?: string | undefined;
  /** A second kernel of the format; undefined takes its first. */
  readonly kernel?: string | undefined;
  /** The output head's format; absent is BF16, and the embedding itself where the two are tied. */
  readonly lmHead?: string | undefined;
  /** Tokens one forward accepts at most. */
  readonly maxBatchTokens: number;
  /** Positions a sequence reaches at most. */
  readonly maxPositions: number;
  /** What the KV cache stores; absent is BF16. */
  readonly kvCacheDtype?: KvCacheDtype | undefined;
  /** Of dummy weights. */
  readonly seed?: number | undefined;
  readonly onProgress?: LoadProgress | undefined;
}

/** What `loadModelFrom` needs beside the limits: tensors and what they are. */
export interface ModelSource {
  readonly source: TensorSource;
  readonly config: ModelConfig;
  readonly trained: boolean;
}

function openSource(model: ResolvedModel, seed: number): TensorSource {
  return model.folder === undefined
    ? new DummySource(model.config, seed, model.label)
    : openCheckpoint(model.folder);
}

/**
 * Resolves, opens and loads a model; closes the files before it returns. The memory needed beside
 * the model is that of its largest stacked matrix in BF16.
 * @throws usage, file-not-found, checkpoint-malformed, checkpoint-mismatch, architecture-unsupported,
 *   format-unsupported
 */
export function loadModel(options: LoadOptions): Model {
  const resolved = resolveModel(options.spec);
  constructorOf(resolved.config.architecture);
  const source = openSource(resolved, options.seed ?? 0);
  try {
    return loadModelFrom({ source, config: resolved.config, trained: resolved.trained }, options);
  } finally {
    source.close();
  }
}

/** The same from an open source, which stays open. */
export function loadModelFrom(
  from: ModelSource,
  options: Omit<LoadOptions, "spec" | "seed">,
): Model {
  const { source, config, trained } = from;
  const construct = constructorOf(config.architecture);
  if (options.maxPositions > config.maxPositions) {
    throw new QuantlabError(
      "usage",
      `a context of ${options.maxPositions} tokens was asked for, ${source.label} has ${config.maxPositions} positions`,
      { hint: `pass --max-model-len ${config.maxPositions} or less` },
    );
  }
  const loading = planLoading(source.label, config, options.format, options.kernel);
  const kvScales = options.kvCacheDtype === "fp8" ? readKvScales(source, config) : undefined;
  const weights = loadLlamaWeights(
    source,
    config,
    loading,
    planHead(options.lmHead),
    options.onProgress ?? (() => {}),
  );
  return construct({ config, weights, format: loading.format.name, trained, kvScales }, options);
}
