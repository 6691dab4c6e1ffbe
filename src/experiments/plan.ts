/** The cells of a run in the order of execution, in blocks of one server each, with what they cost. */

import { QuantlabError } from "../base/errors.ts";
import { type ResolvedModel, resolveModel } from "../checkpoint/resolve.ts";
import type { Machine } from "../results/run.ts";
import { cachedSnapshot, isHubId } from "../targets/vllm/model-files.ts";
import { accuracyLimits, accuracyRows, isAccuracyApart } from "./accuracy-plan.ts";
import type { LabConfig } from "./config.ts";
import { type CostModel, costModel } from "./cost.ts";
import type { Experiment, PlannedCell, PlannedSetting, ServedModel } from "./experiment.ts";
import { answerExperiments, experiments } from "./registry.ts";

export type FormatEntry = LabConfig["formats"][number];

/** Cells that share one fresh server: one row label in one repeat. */
export interface PlannedBlock {
  readonly entry: FormatEntry;
  readonly repeat: number;
  /** What its server loads. */
  readonly served: ServedModel;
  /** Whether `served.model` is to be quantized with calibration data first. */
  readonly calibrated: boolean;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  /** Start of the server, predicted. */
  readonly startMs: number;
  /** Weights, KV cache and the process itself, predicted; undefined where the model is not known. */
  readonly memoryBytes: number | undefined;
  readonly cells: readonly PlannedCell[];
}

export interface Plan {
  readonly config: LabConfig;
  /** undefined where only the server knows its model. */
  readonly model: ResolvedModel | undefined;
  readonly blocks: readonly PlannedBlock[];
  readonly predictedMs: number;
  readonly diskBytes: number;
  /** By row label. */
  readonly costs: ReadonlyMap<string, CostModel>;
}

/** Node, the engine's buffers and the page tables of a server without weights. */
const processBytes = 300e6;
/** result.json, and the cell's share of the manifest. */
const cellBytes = 12_000;
/** A record without its token times, and one token time, in JSON. */
const recordBytes = 350;
const tokenTimeBytes = 19;
/** A solved example, and a question with its answer, response and digests, in samples. */
const shotBytes = 500;
const questionBytes = 4_000;
/** One token's four figures as JSON. */
const divergenceTokenBytes = 70;

/** @throws format-unsupported, and what resolveModel throws unless the target is an endpoint */
export function planRun(config: LabConfig, machine: Machine): Plan {
  if (config.lmHead !== undefined && config.target !== "embedded") {
    throw new QuantlabError("usage", `lmHead ${config.lmHead} was asked for on ${config.target}`, {
      hint: "only the embedded server has a choice of the output head; leave lmHead (--lm-head) out",
    });
  }
  const model = resolveForTarget(config);
  const costs = new Map<string, CostModel>();
  for (const entry of config.formats) {
    if (model !== undefined) {
      costs.set(
        entry.label,
        costModel(model.config, entry.format, machine, config.kvCacheDtype, config.lmHead),
      );
    }
  }
  const blocks = [
    ...Array.from({ length: config.repeats }, (_, repeat) =>
      inOrderOf(repeat, config.formats).map((entry) =>
        planBlock(config, entry, repeat, costs.get(entry.label)),
      ),
    ).flat(),
    ...answerBlocks(config, machine),
  ];
  const cells = blocks.flatMap((block) => block.cells);
  return {
    config,
    model,
    blocks,
    predictedMs: blocks.reduce((sum, block) => sum + blockMs(block), 0),
    diskBytes: cells.reduce((sum, cell) => sum + cell.diskBytes, 0),
    costs,
  };
}

/**
 * Somebody else's server, and vLLM with a hub id, may serve a model that is not here; a hub id that
 * is in the local cache is.
 */
function resolveForTarget(config: LabConfig): ResolvedModel | undefined {
  if (config.target === "vllm" && isHubId(config.model)) {
    const cached = cachedSnapshot(config.model);
    return cached === undefined ? undefined : { ...resolveModel(cached), label: config.model };
  }
  try {
    return resolveModel(config.model);
  } catch (error) {
    if (config.target === "endpoint" && error instanceof QuantlabError) return undefined;
    throw error;
  }
}

/** ABBA: every other repeat runs backwards, so that a drift of the machine falls on all alike. */
function inOrderOf<T>(repeat: number, items: readonly T[]): readonly T[] {
  return repeat % 2 === 0 ? items : items.toReversed();
}

function planBlock(
  config: LabConfig,
  entry: FormatEntry,
  repeat: number,
  cost: CostModel | undefined,
): PlannedBlock {
  const isHere = (experiment: Experiment) =>
    !answerExperiments.includes(experiment) || (repeat === 0 && !isAccuracyApart(config));
  const startMs = config.target === "embedded" ? (cost?.startMs ?? 0) : 0;
  const { maxModelLen, maxNumSeqs } = config;
  return {
    entry,
    repeat,
    served: {
      model: entry.checkpoint ?? config.model,
      format: entry.format,
      isReadyCheckpoint: entry.checkpoint !== undefined,
    },
    calibrated: false,
    maxModelLen,
    maxNumSeqs,
    startMs,
    memoryBytes: memoryBytes(config, cost, { maxModelLen, maxNumSeqs }),
    cells: cellsOf(experiments.filter(isHere), config, entry, repeat, cost),
  };
}

/** Servers of a trained model for the experiments that judge answers, once each. */
function answerBlocks(config: LabConfig, machine: Machine): PlannedBlock[] {
  if (!isAccuracyApart(config)) return [];
  const limits = accuracyLimits(config);
  return accuracyRows(config).map(({ label, format, model, isReadyCheckpoint, calibrated }) => {
    const cost = costModel(
      resolveModel(model).config,
      format,
      machine,
      config.kvCacheDtype,
      config.lmHead,
    );
    const entry = { label, format };
    return {
      entry,
      repeat: 0,
      served: { model, format, isReadyCheckpoint },
      calibrated,
      ...limits,
      startMs: cost.startMs,
      memoryBytes: memoryBytes(config, cost, limits),
      cells: cellsOf(answerExperiments, config, entry, 0, cost),
    };
  });
}

function cellsOf(
  which: readonly Experiment[],
  config: LabConfig,
  entry: FormatEntry,
  repeat: number,
  cost: CostModel | undefined,
): PlannedCell[] {
  return which.flatMap((experiment) =>
    experiment
      .plan(config, cost)
      .map((planned) => toCell(config, entry, repeat, experiment.name, planned)),
  );
}

function toCell(
  config: LabConfig,
  entry: FormatEntry,
  repeat: number,
  experiment: string,
  planned: PlannedSetting,
): PlannedCell {
  const { setting, skip } = planned;
  return {
    ...planned,
    key: { format: entry.label, experiment, setting, repeat },
    requestsId: `${experiment}/${setting}`,
    diskBytes:
      skip === undefined ? cellBytes + recordsBytes(config, experiment, setting) : cellBytes,
  };
}

/** Raw records of a cell: its requests times their tokens. */
function recordsBytes(config: LabConfig, experiment: string, setting: string): number {
  const { throughput, latency, serving, accuracy, divergence } = config.experiments;
  const of = (requests: number, tokens: number) =>
    requests * (recordBytes + tokens * tokenTimeBytes);
  if (experiment === "throughput" && throughput !== undefined) {
    return of(Number(setting.slice("batch-".length)) * throughput.rounds, throughput.outputLen);
  }
  if (experiment === "latency" && latency !== undefined) {
    return of(latency.iterations, latency.outputLen);
  }
  if (experiment === "serving" && serving !== undefined) {
    return of(serving.numPrompts, 200 * serving.lengthScale);
  }
  if (experiment === "accuracy" && accuracy !== undefined) {
    // Samples hold each prompt twice, once a filter.
    return accuracy.limit * (2 * accuracy.numFewshot * shotBytes + questionBytes);
  }
  if (experiment === "divergence" && divergence !== undefined) {
    return divergence.tokens * divergenceTokenBytes;
  }
  return 0;
}

function memoryBytes(
  config: LabConfig,
  cost: CostModel | undefined,
  limits: { readonly maxModelLen: number; readonly maxNumSeqs: number },
): number | undefined {
  if (cost === undefined || config.target !== "embedded") return undefined;
  const cacheBytes = limits.maxNumSeqs * limits.maxModelLen * cost.traffic.kvBytesPerToken;
  return cost.traffic.weights.totalBytes + cacheBytes + processBytes;
}

/** Start of the server and all its cells. */
export function blockMs(block: PlannedBlock): number {
  return block.cells.reduce((sum, cell) => sum + cell.predictedMs, block.startMs);
}
