/** A run that is ready to go on: what the executor, the analysis and the resume share. */
import type { LabConfig } from "../experiments/config.ts";
import type { Plan } from "../experiments/plan.ts";
import type { Machine } from "../results/run.ts";
import type { RunStore } from "../results/store.ts";

export interface PreparedRun {
  readonly plan: Plan;
  readonly store: RunStore;
  readonly machine: Machine;
}

/** Without keys that are undefined: what is stored and hashed is JSON. */
export function plainConfig(config: LabConfig): Record<string, unknown> {
  return JSON.parse(JSON.stringify(config));
}
