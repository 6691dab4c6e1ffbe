/** What runs a plan: the cells that a run still lacks, wherever they are run. */
import type { Clock } from "../base/clock.ts";
import type { CellRequests, PlannedCell } from "../experiments/experiment.ts";
import type { Plan } from "../experiments/plan.ts";
import type { CellResult, Machine } from "../results/run.ts";
import type { RunStore } from "../results/store.ts";
import type { Target } from "../targets/target.ts";

/** Hears what happens; every method returns at once. */
export interface RunObserver {
  /** Something worth a line: a server is ready, a server died. */
  event(text: string): void;
  /** A cell or the start of a server begins; `predictedMs` is its part of the plan. */
  stepStarted(label: string, predictedMs: number): void;
  stepProgress(fraction: number, text: string): void;
  stepFinished(predictedMs: number, actualMs: number): void;
  cellFinished(cell: PlannedCell, result: CellResult): void;
}

export interface RunRequest {
  readonly plan: Plan;
  readonly store: RunStore;
  readonly target: Target;
  readonly machine: Machine;
  /** By requestsId (experiments/frozen.ts). */
  readonly requests: ReadonlyMap<string, CellRequests>;
  readonly clock: Clock;
  /** Aborted by the user: what is finished is kept, nothing else is started. */
  readonly signal: AbortSignal;
  readonly observer: RunObserver;
}

export interface RunOutcome {
  /** Whether the signal ended it before the last cell. */
  readonly interrupted: boolean;
}

export interface Executor {
  readonly name: string;
  /** Runs every missing cell; a cell that fails is recorded as failed, and the next is run. */
  execute(request: RunRequest): Promise<RunOutcome>;
}
