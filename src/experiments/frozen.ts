/** The requests of a run: drawn once per setting, kept in the run's folder, replayed for every format. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { writeManifest } from "../load/manifest.ts";
import type { CellRequests } from "./experiment.ts";
import type { Plan } from "./plan.ts";
import { experimentByName } from "./registry.ts";

/** Draws the requests of every setting that is to run, by requestsId. */
export async function drawPlan(plan: Plan): Promise<ReadonlyMap<string, CellRequests>> {
  const model = { vocabSize: plan.model?.config.vocabSize };
  const drawn = new Map<string, CellRequests>();
  for (const cell of plan.blocks.flatMap((block) => block.cells)) {
    if (cell.skip !== undefined || drawn.has(cell.requestsId)) continue;
    const experiment = experimentByName(cell.key.experiment);
    const requests = await experiment.draw(cell.key.setting, plan.config, model);
    if (requests !== undefined) drawn.set(cell.requestsId, requests);
  }
  return drawn;
}

/** For the manifest: the hash of what is measured, by requestsId. */
export function hashesOf(drawn: ReadonlyMap<string, CellRequests>): Record<string, string> {
  return Object.fromEntries([...drawn].map(([id, { measured }]) => [id, measured.hash]));
}

/** Writes what was drawn to `requests/` of the run's folder. */
export async function writeRequests(
  folder: string,
  drawn: ReadonlyMap<string, CellRequests>,
): Promise<void> {
  const target = join(folder, "requests");
  await mkdir(target, { recursive: true });
  for (const [id, { measured }] of drawn) {
    await writeManifest(join(target, `${id.replaceAll("/", "-")}.json`), measured);
  }
}

/** A resumed run must replay what it began with. @throws run-invalid */
export function requireSameRequests(
  stored: Readonly<Record<string, string>>,
  drawn: ReadonlyMap<string, CellRequests>,
): void {
  for (const [id, hash] of Object.entries(hashesOf(drawn))) {
    if (stored[id] === hash) continue;
    throw new QuantlabError("run-invalid", `the requests of ${id} are not those of the run`, {
      hint: "another version of quantlab or a changed data set draws others; start a new run",
    });
  }
}
