/** What every endpoint works with: the engine, the text side, names and counters. */
import type { Clock } from "../base/clock.ts";
import type { EngineHost } from "../engine/host.ts";
import type { ServerFacts } from "../openai/facts.ts";
import { residentMemory } from "./memory.ts";
import type { RequestMetrics } from "./prometheus.ts";
import type { TextCodec } from "./text-codec.ts";

/** What the server cannot know by itself. */
export interface ServiceOptions {
  readonly host: EngineHost;
  readonly codec: TextCodec;
  /** The name under which clients ask for the model. */
  readonly modelName: string;
  readonly version: string;
  readonly threads: number;
  readonly isa: string;
  readonly clock: Clock;
}

export interface Service extends ServiceOptions {
  readonly metrics: RequestMetrics;
  readonly createdSeconds: number;
}

/** The answer of GET /quantlab/facts. */
export function serverFacts(options: ServiceOptions): ServerFacts {
  const { facts, stats } = options.host;
  const { limits, kvBytesPerToken, kvCacheDtype } = facts;
  return {
    version: options.version,
    pid: process.pid,
    model: options.modelName,
    format: facts.format,
    kernel: facts.kernel,
    trained: facts.trained,
    lmHead: facts.lmHead,
    threads: options.threads,
    isa: options.isa,
    maxModelLen: limits.maxModelLen,
    maxNumSeqs: limits.maxNumSeqs,
    weights: facts.memory,
    kvCache: {
      dtype: kvCacheDtype,
      scales:
        kvCacheDtype === "bf16" ? undefined : facts.kvScalesCalibrated ? "calibrated" : "ones",
      bytes: limits.blocks * limits.blockSize * kvBytesPerToken,
      bytesPerToken: kvBytesPerToken,
      blocks: limits.blocks,
      blockSize: limits.blockSize,
      usedBlocks: stats.blocksUsed,
    },
    memory: residentMemory(),
    engine: {
      steps: stats.steps,
      preemptions: stats.preemptions,
      stepMs: stats.stepMs,
      forwardMs: stats.forwardMs,
      promptTokens: stats.promptTokens,
      generatedTokens: stats.generatedTokens,
    },
    loadMs: facts.loadMs,
  };
}
