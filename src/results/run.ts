/** A run on disk: one manifest, and a folder of raw records and results per cell. */
import { z } from "zod";
import type { Loads } from "./loads.ts";

/** Bumped when a reader of older runs would misread new ones. */
export const runSchemaVersion = 1;

/** One measurement: a format under one experiment at one setting and repeat. */
export const cellKeySchema = z.object({
  /** Row label: the format, or the format with its kernel variant ("awq-plain"). */
  format: z.string(),
  /** "throughput" | "latency" | "serving" | "memory" | "accuracy", by the experiments' registry. */
  experiment: z.string(),
  /** For example "batch-16", "rate-4", "rate-inf"; unique within format and experiment. */
  setting: z.string(),
  /** 0-based; repeats of a setting are interleaved over the formats. */
  repeat: z.number().int().nonnegative(),
});
export type CellKey = z.infer<typeof cellKeySchema>;

/** The machine a run was made on, as far as it can be known. */
export const machineSchema = z.object({
  cpuModel: z.string(),
  cores: z.number(),
  memoryBytes: z.number(),
  os: z.string(),
  node: z.string(),
  isa: z.string(),
  features: z.array(z.string()),
  threads: z.number(),
  /** Measured at the start of this run. */
  readBandwidthBytesPerSecond: z.number(),
  bf16FlopsPerSecond: z.number(),
  /** What a server on this machine computes on, where that is not the processor. */
  accelerator: z
    .object({
      /** "1 x NVIDIA H100 80GB HBM3". */
      title: z.string(),
      /** Name in roofline/devices.ts, whose data sheet stands in for probes. */
      device: z.string().optional(),
    })
    .optional(),
  /** GPU type of a run over Slurm, as the user named it. */
  label: z.string().optional(),
});
export type Machine = z.infer<typeof machineSchema>;

/** A model in one format as plain numbers (`ModelTraffic` of roofline/traffic.ts). */
export const trafficSchema = z.object({
  format: z.string(),
  operands: z.enum(["bf16", "fp8", "int8"]),
  weights: z.object({
    linearBytes: z.number(),
    embeddingBytes: z.number(),
    headBytes: z.number(),
    normBytes: z.number(),
    totalBytes: z.number(),
    linearBitsPerWeight: z.number(),
  }),
  lmHead: z.string().optional(),
  parameters: z.number(),
  stepWeightBytes: z.number(),
  embeddingRowBytes: z.number(),
  kvBytesPerToken: z.number(),
  linearFlopsPerToken: z.number(),
  headFlopsPerLogitRow: z.number(),
  attentionFlopsPerPair: z.number(),
});

export const manifestSchema = z.object({
  schemaVersion: z.literal(runSchemaVersion),
  quantlabVersion: z.string(),
  createdAt: z.string(),
  /** The whole configuration with every default filled in. */
  config: z.record(z.string(), z.unknown()),
  /** SHA-256 of the canonical JSON of `config`: a resume must match it. */
  configHash: z.string(),
  machine: machineSchema,
  /** Every cell that the run is to have, in the order of execution. */
  cells: z.array(cellKeySchema),
  /** Hash of the frozen requests of each setting, by "experiment/setting". */
  requestHashes: z.record(z.string(), z.string()),
  seed: z.number(),
  /**
   * What each row's model reads and computes, by row label (`modelTraffic` of roofline/traffic.ts):
   * with it an analysis needs neither the checkpoint nor the addon. Without it, no bound is named.
   */
  traffic: z.record(z.string(), trafficSchema).optional(),
  /**
   * Set on figures that somebody else published: where they stand, the device (a name of
   * roofline/devices.ts, whose data sheet stands in for `machine`'s probes), and what they leave out.
   */
  published: z
    .object({ source: z.string(), device: z.string(), notes: z.array(z.string()) })
    .optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Whether a finished cell's figures may be used, and why not. */
export const validitySchema = z.object({
  valid: z.boolean(),
  /** One sentence for each gate that failed, with the numbers. */
  reasons: z.array(z.string()),
  /** What every gate found; absent where a cell sends no requests. */
  gates: z
    .array(
      z.object({
        name: z.string(),
        verdict: z.enum(["passed", "note", "failed", "unknown"]),
        text: z.string(),
      }),
    )
    .optional(),
});

/**
 * result.json of one cell. Top-level keys are those of `vllm bench serve` (see metrics/vllm-result.ts);
 * everything of ours is under `quantlab`.
 */
export const cellResultSchema = z.looseObject({
  quantlab: z.looseObject({
    key: cellKeySchema,
    status: z.enum(["done", "failed", "skipped"]),
    /** Why it failed or was skipped. */
    reason: z.string().optional(),
    startedAt: z.string(),
    durationMs: z.number(),
    validity: validitySchema,
    /** Named figures of the cell with their unit in the name; what analysis reads. */
    figures: z.record(z.string(), z.number()),
    /** What the server said of itself (openai/facts.ts), where it does. */
    facts: z.record(z.string(), z.unknown()).optional(),
  }),
});
export type CellResult = z.infer<typeof cellResultSchema>;

/** A loaded run: what analysis and report work from. */
export interface Run {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly results: readonly CellResult[];
  /** Frozen requests of the serving settings, where the folder holds them. */
  readonly loads?: Loads;
}

/** "bf16/serving/rate-4/0": the cell's folder below `cells/`, and its name in messages. */
export function cellPath(key: CellKey): string {
  return `${key.format}/${key.experiment}/${key.setting}/${key.repeat}`;
}
