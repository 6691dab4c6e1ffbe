/** What answers HTTP: a server that is started for a format, asked for its facts, and stopped. */
import { QuantlabError } from "../base/errors.ts";
import type { KvCacheChoice } from "../checkpoint/kv-cache-dtype.ts";
import type { GpuUsage } from "./gpu-usage.ts";
import type { VllmOptions } from "./vllm/options.ts";

/** How to start a format on a target. */
export interface TargetRequest {
  /** A folder, a hub id, "bundled" or "dummy:SHAPE". */
  readonly model: string;
  readonly format: string;
  /** Whether `model` is in `format` already; otherwise the server quantizes while loading. */
  readonly isReadyCheckpoint?: boolean | undefined;
  /** A kernel variant of the format, where the target has more than one. */
  readonly kernel?: string | undefined;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  /** The output head's format; our server alone has the choice. */
  readonly lmHead?: string | undefined;
  /** What the KV cache stores; absent leaves it to the server. */
  readonly kvCacheDtype?: KvCacheChoice | undefined;
  readonly threads: number | undefined;
  readonly seed: number;
  /** lab.yaml's `vllm`. */
  readonly vllm?: VllmOptions | undefined;
  /** Where the server's whole log is kept; undefined keeps the tail alone. */
  readonly logFolder?: string | undefined;
  /** Begins the log's name: the row label. */
  readonly label?: string | undefined;
}

/** What is known of a running server; what cannot be known is undefined, never guessed. */
export interface TargetFacts {
  readonly server: string;
  readonly version: string | undefined;
  readonly device: string | undefined;
  readonly kernel: string | undefined;
  readonly weightBytes: number | undefined;
  readonly bitsPerWeight: number | undefined;
  readonly kvCacheBytes: number | undefined;
  readonly kvBytesPerToken: number | undefined;
  readonly lmHead?: string | undefined;
  /** "bf16", "fp8", or the server's own word for it. */
  readonly kvCacheDtype?: string | undefined;
  readonly peakMemoryBytes: number | undefined;
  readonly trained: boolean | undefined;
  /** The server's own answer, whole. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Samples of the device while a cell runs. */
export interface DeviceSampling {
  /** Waits until there is a sample past now. */
  stop(): Promise<void>;
  usage(fromWallMs: number, toWallMs: number): GpuUsage;
  /** Raw samples, for the cell's folder. */
  readonly samples: readonly object[];
}

export interface RunningTarget {
  readonly baseUrl: string;
  readonly modelName: string;
  /** Of the server's process where we started it. */
  readonly pid: number | undefined;
  /** Asked anew each time: memory moves. */
  facts(): Promise<TargetFacts>;
  /** Settles with a reason as soon as the server is known to be gone; never rejects. */
  readonly died: Promise<string>;
  /** Last lines of its log. */
  logTail(): string;
  /** Starts sampling its device; absent where there is nothing to sample. */
  sampleDevice?(): DeviceSampling;
  /** Stops it and waits until its process is gone; idempotent. */
  stop(): Promise<void>;
}

/** Why a server did not start, in a form that the run can act on. */
export class TargetFailure extends QuantlabError {
  /** Id of the known failure, or "unknown". */
  readonly failureId: string;
  /** No start of this cell on this machine can succeed: it counts as skipped, not as failed. */
  readonly isImpossible: boolean;
  readonly logTail: string;

  constructor(
    message: string,
    details: { id: string; hint: string; isImpossible: boolean; logTail: string },
  ) {
    super("target-failed", message, { hint: details.hint });
    this.failureId = details.id;
    this.isImpossible = details.isImpossible;
    this.logTail = details.logTail;
  }
}

export interface Target {
  readonly name: string;
  /** Starts a server and waits until it answers. @throws target-failed with the log's tail */
  start(
    request: TargetRequest,
    onProgress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<RunningTarget>;
}
