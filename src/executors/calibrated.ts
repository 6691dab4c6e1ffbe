/** The quantized checkpoint of a block that asks for calibration: made once in the run's folder, then loaded like any other. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServedModel } from "../experiments/experiment.ts";
import type { PlannedBlock } from "../experiments/plan.ts";
import { runQuantlab } from "../targets/quantlab-process.ts";

/** Folder of a run that holds checkpoints made for it. */
const checkpointsFolder = "checkpoints";

/** What the block's server is to load. @throws target-failed with the words of `quantlab quantize` */
export async function servedModel(
  { served, calibrated, entry }: PlannedBlock,
  runFolder: string,
  threads: number | undefined,
  signal: AbortSignal,
): Promise<ServedModel> {
  if (!calibrated) return served;
  const out = join(runFolder, checkpointsFolder, entry.label);
  // The command makes its folder appear only when it is complete.
  if (!existsSync(out)) {
    const more = threads === undefined ? [] : ["--threads", String(threads)];
    await runQuantlab(
      [
        ...["quantize", "--model", served.model, "--format", served.format],
        ...["--out", out, "--json", ...more],
      ],
      signal,
    );
  }
  return { ...served, model: out, isReadyCheckpoint: true };
}
