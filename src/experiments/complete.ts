/** Turns a draft into a configuration: overrides from flags, limits that follow from the lengths. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import type { KvCacheChoice } from "../checkpoint/kv-cache-dtype.ts";
import { formatByName } from "../formats/registry.ts";
import { type LabConfig, labConfigSchema } from "./config.ts";
import type { LabDraft } from "./profiles.ts";

/** What flags may say over the file or the profile. */
export interface LabOverrides {
  readonly model?: string | undefined;
  /** Names of formats/registry.ts. */
  readonly formats?: readonly string[] | undefined;
  readonly target?: string | undefined;
  readonly baseUrl?: string | undefined;
  /** The program alone; lab.yaml takes words too. */
  readonly vllmCommand?: string | undefined;
  readonly tensorParallelSize?: number | undefined;
  readonly lmHead?: string | undefined;
  readonly kvCacheDtype?: KvCacheChoice | undefined;
  readonly threads?: number | undefined;
  readonly seed?: number | undefined;
  readonly repeats?: number | undefined;
}

/** The longest ShareGPT conversation that vLLM's filter keeps, prompt and answer together. */
export const longestConversationTokens = 2048;
/** Concurrent sequences of a saturated server; the largest batch of the published experiment. */
const defaultMaxNumSeqs = 64;
/** Limits are rounded up to whole KV blocks of any usual size. */
const roundTo = 64;

/** @throws usage on an override that names nothing we know */
export function applyOverrides(draft: LabDraft, overrides: LabOverrides): LabDraft {
  const { formats, target, vllmCommand, tensorParallelSize, ...rest } = overrides;
  const vllm = {
    ...draft.vllm,
    ...(vllmCommand === undefined ? {} : { command: [vllmCommand] }),
    ...(tensorParallelSize === undefined ? {} : { tensorParallelSize }),
  };
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...draft,
    ...given,
    ...(Object.keys(vllm).length === 0 ? {} : { vllm }),
    ...(formats === undefined ? {} : { formats: formats.map(formatEntry) }),
    ...(target === undefined ? {} : { target: parseTarget(target) }),
  };
}

function formatEntry(name: string): LabConfig["formats"][number] {
  return { label: name, format: formatByName(name).name };
}

function parseTarget(name: string): LabConfig["target"] {
  const parsed = labConfigSchema.shape.target.safeParse(name);
  if (parsed.success) return parsed.data;
  throw new QuantlabError("usage", `there is no target "${name}"`, {
    hint: `take one of ${labConfigSchema.shape.target.options.join(", ")}`,
  });
}

/** Tokens of the longest sequence that the experiments send, prompt and answer together. */
export function longestSequenceTokens(experiments: LabConfig["experiments"]): number {
  const { throughput, latency, serving } = experiments;
  return Math.max(
    1,
    throughput === undefined ? 0 : throughput.inputLen + throughput.outputLen,
    latency === undefined ? 0 : latency.inputLen + latency.outputLen,
    serving === undefined ? 0 : Math.ceil(longestConversationTokens * serving.lengthScale),
  );
}

/** @throws config-invalid when the lengths do not fit the limits that were given */
export function completeConfig(draft: LabDraft, model: string): LabConfig {
  const neededTokens = longestSequenceTokens(draft.experiments);
  const largestBatch = Math.max(0, ...(draft.experiments.throughput?.batchSizes ?? []));
  const config = labConfigSchema.safeParse({
    ...draft,
    model,
    maxModelLen: draft.maxModelLen ?? Math.ceil(neededTokens / roundTo) * roundTo,
    maxNumSeqs: draft.maxNumSeqs ?? Math.max(defaultMaxNumSeqs, largestBatch),
  });
  if (!config.success) {
    throw new QuantlabError("config-invalid", z.prettifyError(config.error), {
      cause: config.error,
    });
  }
  requireRoom(config.data, neededTokens, largestBatch);
  return config.data;
}

function requireRoom(config: LabConfig, neededTokens: number, largestBatch: number): void {
  if (config.maxModelLen < neededTokens) {
    throw new QuantlabError(
      "config-invalid",
      `maxModelLen is ${config.maxModelLen}, but the experiments send up to ${neededTokens} tokens`,
      { hint: "raise maxModelLen, leave it out, or shorten inputLen, outputLen or lengthScale" },
    );
  }
  if (config.maxNumSeqs < largestBatch) {
    throw new QuantlabError(
      "config-invalid",
      `maxNumSeqs is ${config.maxNumSeqs}, so a batch of ${largestBatch} would run in parts`,
      { hint: "raise maxNumSeqs, or leave it out" },
    );
  }
}
