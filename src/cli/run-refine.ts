/** After the planned cells: batch sizes that narrow the crossovers found, added to the run while it may. */
import { analyzeRun } from "../analysis/analyze.ts";
import { labConfigSchema } from "../experiments/config.ts";
import { drawPlan, hashesOf, writeRequests } from "../experiments/frozen.ts";
import { planRun } from "../experiments/plan.ts";
import { addedBatches, batchesLeft, batchesToAdd, withBatches } from "../experiments/refinement.ts";
import { loadRun } from "../results/store.ts";
import type { PreparedRun } from "./prepared-run.ts";

/**
 * The run with cells for the batch sizes between which a crossover lies, written into its manifest so
 * that a resume knows them; undefined when nothing would narrow one or no more may be added.
 */
export async function refineRun({ store, machine }: PreparedRun): Promise<PreparedRun | undefined> {
  const { manifest, folder } = store;
  if ((await store.missing()).length > 0) return undefined;
  const config = labConfigSchema.parse(manifest.config);
  // The analysis costs seconds on a large run: not where nothing may be added.
  if (batchesLeft(config, manifest.cells) === 0) return undefined;
  const { nextBatches } = analyzeRun(await loadRun(folder));
  const batches = batchesToAdd(config, manifest.cells, nextBatches);
  if (batches.length === 0) return undefined;
  const added = [...addedBatches(config, manifest.cells), ...batches];
  const plan = planRun(withBatches(config, added), machine);
  const requests = await drawPlan(plan);
  await writeRequests(folder, requests);
  await store.updateManifest({
    cells: plan.blocks.flatMap((block) => block.cells.map((cell) => cell.key)),
    requestHashes: { ...manifest.requestHashes, ...hashesOf(requests) },
  });
  return { plan, store, machine };
}
