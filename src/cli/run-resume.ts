/** Finds an interrupted run and makes it ready to go on with what it began with. */
import { QuantlabError } from "../base/errors.ts";
import { completeConfig } from "../experiments/complete.ts";
import { labConfigSchema } from "../experiments/config.ts";
import { planRun } from "../experiments/plan.ts";
import { addedBatches, withBatches } from "../experiments/refinement.ts";
import { kernels } from "../kernels/binding.ts";
import type { Machine } from "../results/run.ts";
import { listRuns, RunStore } from "../results/store.ts";
import { localDraftOf, type LabOptions, saysAnything } from "./lab-options.ts";
import { type PreparedRun, plainConfig } from "./prepared-run.ts";
import type { Progress } from "./progress.ts";

/** The folder that --resume names, or the latest run in --out. @throws file-not-found */
export async function findRun(resume: string | true, out: string): Promise<string> {
  if (resume !== true) return resume;
  const latest = (await listRuns(out)).at(-1);
  if (latest !== undefined) return latest;
  throw new QuantlabError("file-not-found", `there is no run in ${out} to go on with`, {
    hint: "name its folder: --resume RUN, or start one without --resume",
  });
}

/**
 * Configuration, machine and requests are the stored ones; flags given again must say the same.
 * @throws run-invalid
 */
export async function openRun(
  folder: string,
  file: string | undefined,
  options: LabOptions,
  progress: Progress,
): Promise<PreparedRun> {
  const store = await RunStore.open(folder);
  try {
    const config = labConfigSchema.parse(store.manifest.config);
    if (saysAnything(file, options)) {
      // A profile without a model chose one when the run began: that choice stands.
      const draft = localDraftOf(file, options);
      const now = plainConfig(completeConfig(draft, draft.model ?? config.model));
      requireSameConfig(store.manifest.config, now, folder);
    }
    requireSameMachine(store.manifest.machine);
    progress.event(`going on with ${folder}`);
    const { machine } = store.manifest;
    const added = addedBatches(config, store.manifest.cells);
    return { plan: planRun(withBatches(config, added), machine), store, machine };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function requireSameConfig(
  stored: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  folder: string,
): void {
  const keys = [...new Set([...Object.keys(stored), ...Object.keys(now)])];
  const differing = keys.filter((key) => JSON.stringify(stored[key]) !== JSON.stringify(now[key]));
  if (differing.length === 0) return;
  throw new QuantlabError(
    "run-invalid",
    `${folder} was made with another configuration (differing: ${differing.join(", ")})`,
    { hint: "start a new run, or resume without these flags" },
  );
}

/** Figures of two machines do not belong in one run. */
function requireSameMachine(stored: Machine): void {
  const { model, cores, isa } = kernels.cpu();
  if (model === stored.cpuModel && cores === stored.cores && isa === stored.isa) return;
  throw new QuantlabError(
    "run-invalid",
    `the run was begun on ${stored.cpuModel} with ${stored.cores} cores (${stored.isa}); this is ${model} with ${cores} (${isa})`,
    { hint: "resume it there, or start a new run here" },
  );
}
