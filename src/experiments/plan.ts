/** The cells of a run in the order of execution, in blocks of one server each, with what they cost. */
import { type ResolvedModel, resolveModel } from "../checkpoint/resolve.ts";
import { QuantlabError } from "../base/errors.ts";
import type { Machine } from "../results/run.ts";
import type { LabConfig } from "./config.ts";
import { costModel, type CostModel } from "./cost.ts";
import type { PlannedCell, PlannedSetting } from "./experiment.ts";
import { cachedSnapshot, isHubId } from "../targets/vllm/model-files.ts";
import { experiments } from "./registry.ts";

export type FormatEntry = LabConfig["formats"][number];

/** Cells that share one fresh server: one row label in one repeat. */
export interface PlannedBlock {
  readonly entry: FormatEntry;
  readonly repeat: number;
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

/** @throws format-unsupported, and what resolveModel throws unless the target is an endpoint */
export function planRun(config: LabConfig, machine: Machine): Plan {
  const model = resolveForTarget(config);
  const costs = new Map<string, CostModel>();
  for (const entry of config.formats) {
    if (model !== undefined) {
      costs.set(entry.label, costModel(model.config, entry.format, machine));
    }
  }
  const blocks = Array.from({ length: config.repeats }, (_, repeat) =>
    inOrderOf(repeat, config.formats).map((entry) =>
      planBlock(config, entry, repeat, costs.get(entry.label)),
    ),
  ).flat();
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
  const cells = experiments.flatMap((experiment) =>
    experiment
      .plan(config, cost)
      .map((planned) => toCell(config, entry, repeat, experiment.name, planned)),
  );
  const startMs = config.target === "embedded" ? (cost?.startMs ?? 0) : 0;
  return { entry, repeat, startMs, memoryBytes: memoryBytes(config, cost), cells };
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
  const { throughput, latency, serving } = config.experiments;
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
  return 0;
}

function memoryBytes(config: LabConfig, cost: CostModel | undefined): number | undefined {
  if (cost === undefined || config.target !== "embedded") return undefined;
  const cacheBytes = config.maxNumSeqs * config.maxModelLen * cost.traffic.kvBytesPerToken;
  return cost.traffic.weights.totalBytes + cacheBytes + processBytes;
}

/** Start of the server and all its cells. */
export function blockMs(block: PlannedBlock): number {
  return block.cells.reduce((sum, cell) => sum + cell.predictedMs, block.startMs);
}
