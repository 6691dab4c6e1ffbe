/**
 * Flags of `vllm serve`, with the versions that know them: data, so that a new version is a new row.
 * Every setting that has a default is stated, since defaults moved between versions.
 */
import type { KvCacheChoice } from "../../checkpoint/kv-cache-dtype.ts";
import type { VersionRange, VllmVersion } from "./version.ts";
import { isInRange } from "./version.ts";

/** What the flags of one start depend on. */
export interface FlagInput {
  readonly servedName: string;
  readonly port: number;
  readonly dtype: string;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  readonly kvCacheDtype: KvCacheChoice | undefined;
  readonly seed: number;
  readonly quantization: string | undefined;
  readonly hasDummyWeights: boolean;
  readonly isCpu: boolean;
  readonly gpuMemoryUtilization: number;
  readonly tensorParallelSize: number;
  readonly pipelineParallelSize: number;
}

export interface FlagRow extends VersionRange {
  readonly flag: string;
  /** undefined leaves the flag out; true makes it a switch. */
  value(input: FlagInput): string | number | true | undefined;
  readonly why: string;
}

/**
 * Tokens of one step at most, the same on every GPU: the default depends on the GPU's memory, and a
 * comparison of GPUs would compare it too.
 */
const batchedTokens = 8192;

export const flagRows: readonly FlagRow[] = [
  { flag: "served-model-name", value: (x) => x.servedName, why: "requests name the model by it" },
  { flag: "host", value: () => "127.0.0.1", why: "nobody else is to send load" },
  { flag: "port", value: (x) => x.port, why: "a free one of this start" },
  { flag: "dtype", value: (x) => x.dtype, why: "auto would follow each checkpoint's own word" },
  { flag: "max-model-len", value: (x) => x.maxModelLen, why: "the default is often far too long" },
  { flag: "max-num-seqs", value: (x) => x.maxNumSeqs, why: "default differs by version and GPU" },
  {
    flag: "max-num-batched-tokens",
    value: (x) => Math.max(batchedTokens, x.maxModelLen),
    why: "default differs by version and GPU",
  },
  {
    flag: "gpu-memory-utilization",
    value: (x) => (x.isCpu ? undefined : x.gpuMemoryUtilization),
    why: "the default went from 0.90 to 0.92 at 0.30",
  },
  {
    flag: "tensor-parallel-size",
    value: (x) => x.tensorParallelSize,
    why: "stated with the result",
  },
  {
    flag: "pipeline-parallel-size",
    value: (x) => (x.pipelineParallelSize === 1 ? undefined : x.pipelineParallelSize),
    why: "stated with the result",
  },
  {
    flag: "no-enable-prefix-caching",
    since: "0.7.0",
    value: () => true,
    why: "the cache is on by default, and repeats of a prompt would be free",
  },
  {
    flag: "generation-config",
    since: "0.6.6",
    value: () => "vllm",
    why: "the model's own sampling defaults would apply",
  },
  {
    flag: "kv-cache-dtype",
    // Its "auto" is the model's dtype, which --dtype states.
    value: (x) => (x.kvCacheDtype === "bf16" ? "auto" : x.kvCacheDtype),
    why: "the run's, where it says one",
  },
  { flag: "seed", value: (x) => x.seed, why: "the run's" },
  {
    flag: "load-format",
    value: (x) => (x.hasDummyWeights ? "dummy" : undefined),
    why: "random weights are made by vLLM, not read",
  },
  { flag: "quantization", value: (x) => x.quantization, why: "by quantization.ts" },
  {
    flag: "disable-log-requests",
    until: "0.10.0",
    value: () => true,
    why: "on by default up to 0.9; the flag is unknown from 0.19",
  },
  {
    flag: "disable-uvicorn-access-log",
    since: "0.8.0",
    until: "0.16.0",
    value: () => true,
    why: "our own polling would fill the log",
  },
  {
    flag: "disable-access-log-for-endpoints",
    since: "0.16.0",
    value: () => "/health,/metrics",
    why: "our own polling would fill the log",
  },
];

/** The command line's words for these rows. */
export function flagArguments(
  rows: readonly FlagRow[],
  input: FlagInput,
  version: VllmVersion | undefined,
): string[] {
  return rows
    .filter((row) => isInRange(version, row))
    .flatMap((row) => {
      const value = row.value(input);
      if (value === undefined) return [];
      return value === true ? [`--${row.flag}`] : [`--${row.flag}`, String(value)];
    });
}

/** `extraArgs` of lab.yaml: true is a switch, false its "no-" form. */
export function extraArguments(
  extra: Readonly<Record<string, string | number | boolean>>,
): string[] {
  return Object.entries(extra).flatMap(([flag, value]) => {
    if (value === true) return [`--${flag}`];
    return value === false ? [`--no-${flag}`] : [`--${flag}`, String(value)];
  });
}
