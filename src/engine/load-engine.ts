/** From a model's name to a running engine: loads the weights, sizes the KV cache, builds the Engine. */
import { availableMemory } from "node:process";
import { type Clock, systemClock } from "../base/clock.ts";
import type { KvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { type LoadProgress, loadModel } from "../model/load.ts";
import type { Model, ModelMemory } from "../model/model.ts";
import { Engine } from "./engine.ts";
import { chooseBlocks } from "./kv-cache.ts";
import { checkLimits, type EngineLimits } from "./limits.ts";

/** What an engine is started with; plain data, so that it can go to a worker thread. */
export interface EngineOptions {
  /** "dummy:SHAPE", "bundled" or a folder. */
  readonly model: string;
  /** undefined takes the checkpoint's own. */
  readonly format: string | undefined;
  /** A second kernel of the format, for example awq's "plain"; undefined takes its first. */
  readonly kernel?: string | undefined;
  /** The output head's format; absent is BF16. */
  readonly lmHead?: string | undefined;
  /** undefined takes the model's, at most `defaultMaxModelLen`. */
  readonly maxModelLen: number | undefined;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** Bytes; undefined takes what maxNumSeqs x maxModelLen needs, within half of the free memory. */
  readonly kvCacheBytes: number | undefined;
  /** What the cache stores; absent is BF16. */
  readonly kvCacheDtype?: KvCacheDtype | undefined;
  /** Tokens in a block of the cache. */
  readonly blockSize: number;
  /** Takes the keys and values of equal beginnings from earlier requests; false in measurements. */
  readonly prefixCaching?: boolean | undefined;
  /** Of dummy weights, and of the random streams of requests that bring no seed. */
  readonly seed: number;
}

/** What is known of an engine once its model is loaded; plain data. */
export interface EngineFacts {
  readonly format: string;
  /** undefined is the format's first. */
  readonly kernel?: string | undefined;
  readonly trained: boolean;
  readonly memory: ModelMemory;
  readonly lmHead: string;
  readonly kvCacheDtype: KvCacheDtype;
  /** Whether an FP8 cache has the checkpoint's scales; otherwise they are 1. */
  readonly kvScalesCalibrated: boolean;
  readonly kvBytesPerToken: number;
  readonly limits: EngineLimits;
  readonly loadMs: number;
}

/** Long contexts cost cache even where nobody uses them, so they have to be asked for. */
export const defaultMaxModelLen = 4096;

export const engineDefaults = {
  model: "dummy:smollm2-135m",
  format: undefined,
  maxModelLen: undefined,
  maxNumSeqs: 64,
  /**
   * A step's prefill holds up every running sequence's next token; 256 rows are enough for the
   * kernels to reuse each weight they read, and keep that wait short.
   */
  maxNumBatchedTokens: 256,
  kvCacheBytes: undefined,
  /** Sixteen, as in vLLM: at most 15 unused places a sequence, and short block tables. */
  blockSize: 16,
  seed: 0,
} as const satisfies EngineOptions;

export interface LoadedEngine {
  readonly engine: Engine;
  readonly model: Model;
  readonly facts: EngineFacts;
}

/**
 * Blocks the thread while it loads.
 * @throws what `loadModel` throws; usage for limits that contradict each other; out-of-memory
 */
export function loadEngine(
  options: EngineOptions,
  onProgress: LoadProgress,
  clock: Clock = systemClock,
): LoadedEngine {
  const startMs = clock.nowMs();
  const { maxNumSeqs, maxNumBatchedTokens, blockSize, seed } = options;
  const { config } = resolveModel(options.model);
  const maxModelLen = options.maxModelLen ?? Math.min(config.maxPositions, defaultMaxModelLen);
  const limits = { maxModelLen, maxNumSeqs, maxNumBatchedTokens, blockSize };
  // Before the weights, so that a wrong flag does not cost a minute.
  checkLimits({ ...limits, blocks: 1, vocabSize: config.vocabSize });
  const model = loadModel({
    spec: options.model,
    format: options.format,
    kernel: options.kernel,
    lmHead: options.lmHead,
    maxBatchTokens: maxNumBatchedTokens,
    maxPositions: maxModelLen,
    kvCacheDtype: options.kvCacheDtype,
    seed,
    onProgress,
  });
  return buildEngine(model, limits, options, clock, startMs);
}

function buildEngine(
  model: Model,
  limits: Omit<EngineLimits, "blocks" | "vocabSize">,
  options: EngineOptions,
  clock: Clock,
  startMs: number,
): LoadedEngine {
  const blocks = chooseBlocks({
    ...limits,
    bytesPerToken: model.kvBytesPerToken,
    requestedBytes: options.kvCacheBytes,
    availableBytes: availableMemory(),
  });
  const all = { ...limits, blocks, vocabSize: model.config.vocabSize };
  const engine = new Engine(model, all, options.seed, clock, options);
  const facts: EngineFacts = {
    format: model.format,
    kernel: options.kernel,
    trained: model.trained,
    memory: model.memory,
    lmHead: model.lmHead,
    kvCacheDtype: model.kvCacheDtype,
    kvScalesCalibrated: model.kvScalesCalibrated,
    kvBytesPerToken: model.kvBytesPerToken,
    limits: all,
    loadMs: clock.nowMs() - startMs,
  };
  return { engine, model, facts };
}
