/** What an experiment is: it plans cells from the configuration, and runs one cell against a server. */
import type { Clock } from "../base/clock.ts";
import type { CellKey, CellResult, Machine } from "../results/run.ts";
import type { RunningTarget } from "../targets/target.ts";
import type { LabConfig } from "./config.ts";

/** A cell to be run, with what it is predicted to cost. */
export interface PlannedCell {
  readonly key: CellKey;
  readonly predictedMs: number;
  /** "experiment/setting": cells with the same one replay the same frozen requests. */
  readonly requestsId: string;
  /** Set when the cell is known not to be runnable; it is recorded as skipped with this reason. */
  readonly skip?: string;
}

/** What a running cell may use. */
export interface CellContext {
  readonly config: LabConfig;
  readonly target: RunningTarget;
  readonly machine: Machine;
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
  readonly title: string;
  plan(config: LabConfig, machine: Machine): readonly PlannedCell[];
  run(cell: PlannedCell, context: CellContext): Promise<CellResult>;
}
