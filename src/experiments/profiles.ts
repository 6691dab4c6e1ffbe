/** The three ready-made labs: how much each measures. lab.yaml starts from one and changes it. */
import { QuantlabError } from "../base/errors.ts";
import type { LabConfig } from "./config.ts";

/** A configuration that may still lack its model and the limits that follow from its lengths. */
export type LabDraft = Omit<LabConfig, "model" | "maxModelLen" | "maxNumSeqs"> & {
  /** undefined: the largest dummy shape whose plan fits `budgetMs` (choose-model.ts). */
  readonly model: string | undefined;
  readonly maxModelLen: number | undefined;
  readonly maxNumSeqs: number | undefined;
};

export interface Profile {
  readonly name: "quick" | "standard" | "full";
  /** For help. */
  readonly title: string;
  readonly draft: LabDraft;
}

const threeFormats = ["bf16", "fp8", "awq"].map((name) => ({ label: name, format: name }));

/** What all profiles share; the limits for goodput are MLPerf's for Llama-3.1-8B. */
const base = {
  target: "embedded",
  formats: threeFormats,
  seed: 0,
  slo: { ttft: 2000, tpot: 100 },
  maxModelLen: undefined,
  maxNumSeqs: undefined,
} satisfies Partial<LabDraft>;

/** Minutes on two cores; lengths are short, so that even batch 64 and saturation finish. */
const quick: LabDraft = {
  ...base,
  profile: "quick",
  model: undefined,
  experiments: {
    latency: { inputLen: 64, outputLen: 48, iterations: 3, warmupIterations: 1 },
    throughput: {
      batchSizes: [1, 16, 64],
      inputLen: 32,
      outputLen: 32,
      rounds: 1,
      refineBatches: 1,
    },
    serving: {
      dataset: "lengths",
      numPrompts: 12,
      requestRates: [1, "inf"],
      lengthScale: 0.125,
    },
    accuracy: { task: "gsm8k", numFewshot: 0, limit: 200 },
    divergence: { tokens: 4096, window: 128 },
    memory: {},
  },
  repeats: 1,
};

/** The published parameters in the middle size, once each. */
const standard: LabDraft = {
  ...base,
  profile: "standard",
  model: "dummy:llama-3.2-1b",
  experiments: {
    latency: { inputLen: 512, outputLen: 128, iterations: 5, warmupIterations: 1 },
    throughput: {
      batchSizes: [1, 16, 64],
      inputLen: 512,
      outputLen: 128,
      rounds: 1,
      refineBatches: 2,
    },
    serving: {
      dataset: "lengths",
      numPrompts: 100,
      requestRates: [1, 4, "inf"],
      lengthScale: 0.25,
    },
    accuracy: { task: "gsm8k", numFewshot: 8, limit: 500 },
    divergence: { tokens: 16384, window: 256 },
    memory: {},
  },
  repeats: 2,
};

/** The published experiment: 8B, 200 prompts, lengths as they are, repeated for intervals. */
const full: LabDraft = {
  ...base,
  profile: "full",
  model: "dummy:llama-3.1-8b",
  experiments: {
    latency: { inputLen: 512, outputLen: 128, iterations: 10, warmupIterations: 2 },
    throughput: {
      batchSizes: [1, 4, 16, 64],
      inputLen: 512,
      outputLen: 128,
      rounds: 2,
      refineBatches: 2,
    },
    serving: {
      dataset: "lengths",
      numPrompts: 200,
      requestRates: [1, 4, "inf"],
      lengthScale: 1,
    },
    accuracy: { task: "gsm8k", numFewshot: 8, limit: 1290 },
    divergence: { tokens: 32768, window: 256 },
    memory: {},
  },
  repeats: 3,
};

export const profiles: readonly Profile[] = [
  { name: "quick", title: "a few minutes on two cores", draft: quick },
  { name: "standard", title: "the published settings on a 1B shape", draft: standard },
  { name: "full", title: "the published settings on an 8B shape, three repeats", draft: full },
];

/** @throws usage */
export function profileByName(name: string): Profile {
  const found = profiles.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  throw new QuantlabError("usage", `there is no profile "${name}"`, {
    hint: `take one of ${profiles.map((profile) => profile.name).join(", ")}`,
  });
}
