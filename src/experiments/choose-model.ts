/** Picks the model of a profile that leaves it open: the largest dummy shape whose plan fits. */
import { shapeNames } from "../checkpoint/shapes.ts";
import type { Machine } from "../results/run.ts";
import { completeConfig } from "./complete.ts";
import type { LabConfig } from "./config.ts";
import { type Plan, planRun } from "./plan.ts";
import type { LabDraft } from "./profiles.ts";

/**
 * Time for the plan of a profile without a model. `npm start` is to end within six minutes on two
 * cores, of which installing and building take 75 s and more; the rest is for predictions that are
 * wrong by up to two thirds, as they are on a machine that somebody else uses too.
 */
export const planBudgetMs = 170_000;
/** Of the machine's memory; the rest is the system's, the page cache's and the load generator's. */
const memoryShare = 0.7;

/** Shapes that belong to a published model, largest first. */
const candidates = shapeNames.filter((name) => name !== "tiny").toReversed();

/** The configuration with a model: the draft's own, or the largest shape that fits. */
export function chooseModel(draft: LabDraft, machine: Machine): LabConfig {
  if (draft.model !== undefined) return completeConfig(draft, draft.model);
  const configs = candidates.map((shape) => completeConfig(draft, `dummy:${shape}`));
  const fitting = configs.find((config) => fits(planRun(config, machine), machine));
  const smallest = configs.at(-1);
  if (smallest === undefined) throw new Error("there is no shape to choose from");
  return fitting ?? smallest;
}

function fits(plan: Plan, machine: Machine): boolean {
  const memoryBytes = Math.max(...plan.blocks.map((block) => block.memoryBytes ?? 0));
  return plan.predictedMs <= planBudgetMs && memoryBytes <= memoryShare * machine.memoryBytes;
}
