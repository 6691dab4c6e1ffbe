/** The configuration of a whole lab: lab.yaml and the profiles, checked by one schema. */
import { z } from "zod";
import { kvCacheChoices } from "../checkpoint/kv-cache-dtype.ts";
import { headFormats } from "../formats/head.ts";
import { vllmOptionsSchema } from "../targets/vllm/options.ts";

export const formatEntrySchema = z.strictObject({
  /** Row label; unique in a run. */
  label: z.string().min(1),
  /** Name in formats/registry.ts. */
  format: z.string().min(1),
  /** Ready checkpoint; undefined quantizes `model` while loading. */
  checkpoint: z.string().optional(),
  /** Kernel variant of the format. */
  kernel: z.string().optional(),
});

const rateSchema = z.union([z.number().positive(), z.literal("inf")]);

export const labConfigSchema = z.strictObject({
  profile: z.string(),
  model: z.string().min(1),
  target: z.enum(["embedded", "vllm", "endpoint"]),
  baseUrl: z.url().optional(),
  /** Of the vLLM that `target: vllm` starts. */
  vllm: vllmOptionsSchema.optional(),
  formats: z.array(formatEntrySchema).min(1),
  experiments: z.strictObject({
    throughput: z
      .strictObject({
        batchSizes: z.array(z.number().int().positive()).min(1),
        inputLen: z.number().int().positive(),
        outputLen: z.number().int().positive(),
        /** Requests per cell, as a multiple of the batch size. */
        rounds: z.number().int().positive(),
        /** Batch sizes that a run adds, at most, to narrow the crossovers it found; absent is none. */
        refineBatches: z.number().int().nonnegative().optional(),
      })
      .optional(),
    latency: z
      .strictObject({
        inputLen: z.number().int().positive(),
        outputLen: z.number().int().min(2),
        iterations: z.number().int().positive(),
        warmupIterations: z.number().int().nonnegative(),
      })
      .optional(),
    serving: z
      .strictObject({
        dataset: z.enum(["lengths", "random", "sharegpt", "custom"]),
        path: z.string().optional(),
        numPrompts: z.number().int().positive(),
        requestRates: z.array(rateSchema).min(1),
        maxConcurrency: z.number().int().positive().optional(),
        /** Scales the data set's lengths, so that a small machine can run it; 1 is as published. */
        lengthScale: z.number().positive(),
      })
      .optional(),
    accuracy: z
      .strictObject({
        task: z.literal("gsm8k"),
        path: z.string().optional(),
        numFewshot: z.number().int().nonnegative(),
        limit: z.number().int().positive(),
        /** Whose answers are scored; undefined: the lab's, or the bundled one where that is a dummy. */
        model: z.string().optional(),
      })
      .optional(),
    divergence: z
      .strictObject({
        tokens: z.number().int().positive(),
        /** Tokens of one context. */
        window: z.number().int().min(2),
      })
      .optional(),
    memory: z.strictObject({}).optional(),
  }),
  repeats: z.number().int().positive(),
  seed: z.number().int().nonnegative(),
  threads: z.number().int().positive().optional(),
  maxModelLen: z.number().int().positive(),
  maxNumSeqs: z.number().int().positive(),
  /** What the KV cache of every row stores; absent leaves it to the server, which is BF16 in ours. */
  kvCacheDtype: z.enum(kvCacheChoices).optional(),
  /** Format of every row's output head; absent is BF16. Our server's alone. */
  lmHead: z
    .string()
    .refine((name) => headFormats.includes(name))
    .optional(),
  /** Limits in ms for goodput. */
  slo: z
    .strictObject({
      ttft: z.number().positive().optional(),
      tpot: z.number().positive().optional(),
      e2el: z.number().positive().optional(),
    })
    .optional(),
  budget: z
    .strictObject({
      accuracyDrop: z.number().nonnegative().optional(),
      memoryGb: z.number().positive().optional(),
    })
    .optional(),
});

/** A configuration with every default filled in. */
export type LabConfig = z.infer<typeof labConfigSchema>;
