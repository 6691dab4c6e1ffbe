/** What is known of a running vLLM, from its log first; what nothing says stays undefined. */
import type { TargetFacts } from "../target.ts";
import type { Gpu } from "../nvidia-smi.ts";
import { factsOfLog, type LogFacts } from "./log-facts.ts";
import type { VllmMetrics } from "./metrics.ts";
import type { VllmModel } from "./model-files.ts";
import type { VllmVersion } from "./version.ts";

export interface FactsInput {
  readonly log: string;
  readonly version: VllmVersion | undefined;
  readonly isCpu: boolean;
  readonly gpus: readonly Gpu[];
  readonly model: VllmModel;
  /** Variant that was asked for. */
  readonly kernel: string | undefined;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly startMs: number;
  /** undefined where /metrics does not answer. */
  readonly metrics: VllmMetrics | undefined;
  readonly residentBytes: number | undefined;
  readonly peakResidentBytes: number | undefined;
}

/** Environment whose values are harmless and matter to a result; of the others only names are kept. */
const shownVariables = /^(VLLM_|CUDA_VISIBLE|NCCL_|OMP_)/;

/** Beside the common facts, what analysis looks for traps in. */
export interface VllmFacts extends TargetFacts {
  readonly capability: string | undefined;
  readonly enforceEager: boolean | undefined;
  readonly preemptions: number | undefined;
  readonly prefixCacheHitRate: number | undefined;
}

export function vllmFacts(input: FactsInput): VllmFacts {
  const facts = factsOfLog(input.log);
  const { gpus, model, isCpu } = input;
  const gpu = gpus[0];
  const device = isCpu ? "cpu" : (gpu?.name ?? facts.device);
  const weightBytes = facts.weightBytes ?? (isCpu ? model.fileBytes : undefined);
  const { kvCacheBytes, kvCacheTokens } = facts;
  return {
    server: "vllm",
    version: facts.version ?? input.version?.text,
    device,
    kernel: kernelText(facts),
    weightBytes,
    bitsPerWeight: undefined,
    kvCacheBytes,
    kvBytesPerToken:
      kvCacheBytes === undefined || kvCacheTokens === undefined || kvCacheTokens === 0
        ? undefined
        : kvCacheBytes / kvCacheTokens,
    peakMemoryBytes: isCpu ? input.peakResidentBytes : undefined,
    trained: model.trained,
    capability: gpu?.capability,
    // On a CPU there are no graphs to lose, but compilation is.
    enforceEager: facts.cudaGraphs === undefined ? undefined : facts.cudaGraphs === "off",
    preemptions: input.metrics?.preemptions,
    prefixCacheHitRate: input.metrics?.prefixCacheHitRate,
    raw: {
      ...facts,
      weightSource: sourceOf(facts, weightBytes),
      capability: gpu?.capability,
      driver: gpu?.driver,
      gpus: gpus.map(({ uuid, name, memoryBytes }) => ({ uuid, name, memoryBytes })),
      kernelAsked: input.kernel,
      kernelNote: kernelNote(facts, input.kernel),
      command: input.command,
      environment: shownEnvironment(input.environment),
      logFile: input.logFile,
      loadMs: input.startMs,
      kvCacheUsage: input.metrics?.kvCacheUsage,
      ...(input.residentBytes === undefined
        ? {}
        : { memory: { residentBytes: input.residentBytes } }),
    },
  };
}

function sourceOf(facts: LogFacts, weightBytes: number | undefined): string {
  if (facts.weightBytes !== undefined) return "the server's log";
  return weightBytes === undefined ? "not reported" : "the checkpoint's files";
}

function kernelText(facts: LogFacts): string | undefined {
  const names = [...facts.kernels, ...(facts.attentionBackend ? [facts.attentionBackend] : [])];
  if (names.length === 0) return undefined;
  const text = names.join(", ");
  return facts.isWeightOnlyFp8 ? `${text} (FP8 weights only, no FP8 arithmetic)` : text;
}

/** Set when the log contradicts what was asked for. */
function kernelNote(facts: LogFacts, asked: string | undefined): string | undefined {
  if (asked !== "plain") return undefined;
  const fused = facts.kernels.find((name) => /marlin|machete/i.test(name));
  return fused === undefined
    ? undefined
    : `the plain kernel was asked for, but the log names ${fused}: this row measures that one`;
}

function shownEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      shownVariables.test(name) ? value : "(set)",
    ]),
  );
}
