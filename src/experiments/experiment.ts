/** What an experiment is: it plans settings, draws their requests, and runs one cell on a server. */
import type { Clock } from "../base/clock.ts";
import type { RequestManifest } from "../load/request.ts";
import type { CellKey, CellResult, Machine } from "../results/run.ts";
import type { RunningTarget } from "../targets/target.ts";
import type { LabConfig } from "./config.ts";
import type { CostModel } from "./cost.ts";

/** One setting of an experiment for one format, with what it is predicted to cost. */
export interface PlannedSetting {
  /** "batch-16": unique within the experiment. */
  readonly setting: string;
  readonly predictedMs: number;
  /** Set when it is known not to be runnable; it is recorded as skipped with this reason. */
  readonly skip?: string | undefined;
}

/** A setting placed in the plan: for one row label and repeat. */
export interface PlannedCell extends PlannedSetting {
  readonly key: CellKey;
  /** "experiment/setting": cells with the same one replay the same frozen requests. */
  readonly requestsId: string;
  /** Bytes that its folder will take, predicted. */
  readonly diskBytes: number;
}

/** What is drawn once for a setting and replayed for every format and repeat. */
export interface CellRequests {
  /** Of another seed than `measured`, so that no measured prompt has been seen before. */
  readonly warmup: RequestManifest;
  readonly measured: RequestManifest;
}

/** What drawing prompts needs to know of the model. */
export interface PromptModel {
  /** undefined where only the server knows its vocabulary. */
  readonly vocabSize: number | undefined;
}

/** What the block's server has loaded. */
export interface ServedModel {
  /** "bundled", "dummy:SHAPE", a folder or a hub id. */
  readonly model: string;
  readonly format: string;
  /** Whether `model` is in `format` already. */
  readonly isReadyCheckpoint: boolean;
}

/** What a running cell may use. */
export interface CellContext {
  readonly config: LabConfig;
  readonly target: RunningTarget;
  readonly served: ServedModel;
  readonly machine: Machine;
  /** What the row's model reads and computes; undefined where the model is not known. */
  readonly cost: CostModel | undefined;
  readonly requests: CellRequests | undefined;
  readonly clock: Clock;
  /** The cell's own folder, for raw records. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** 0..1 and a short text with the running figures. */
  onProgress(fraction: number, text: string): void;
}

export interface Experiment {
  /** "throughput", as in lab.yaml and in CellKey. */
  readonly name: string;
  /** With its number in the published lab: "E1 throughput". */
  readonly title: string;
  /**
   * Settings for one format, in the order of execution; none when the configuration leaves the
   * experiment out.
   * @param cost undefined where the model is not known: predictions are then 0
   */
  plan(config: LabConfig, cost: CostModel | undefined): readonly PlannedSetting[];
  /** undefined for an experiment without requests. @throws dataset-invalid, usage */
  draw(setting: string, config: LabConfig, model: PromptModel): Promise<CellRequests | undefined>;
  /** @throws target-failed, request-failed when nothing could be measured */
  run(cell: PlannedCell, context: CellContext): Promise<CellResult>;
}
