/** Samples the server's device while a cell runs, and adds what it used to the cell's result. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { CellResult } from "../results/run.ts";
import type { RunningTarget } from "../targets/target.ts";

/** Raw samples in the cell's folder, one a line. */
export const samplesFile = "gpu.jsonl";

const outputTokens = z.looseObject({ total_output_tokens: z.number().positive() });

export async function withDeviceUsage(
  server: RunningTarget,
  folder: string,
  run: () => Promise<CellResult>,
): Promise<CellResult> {
  const sampling = server.sampleDevice?.();
  if (sampling === undefined) return run();
  let result: CellResult;
  try {
    result = await run();
  } finally {
    await sampling.stop();
  }
  const lines = sampling.samples.map((sample) => `${JSON.stringify(sample)}\n`);
  await writeFile(join(folder, samplesFile), lines.join(""));
  const { quantlab } = result;
  const fromWallMs = Date.parse(quantlab.startedAt);
  const usage = sampling.usage(fromWallMs, fromWallMs + quantlab.durationMs);
  const tokens = outputTokens.safeParse(result).data?.total_output_tokens;
  const figures = {
    gpuUsedBytes: usage.peakUsedBytes,
    gpuMeanWatts: usage.meanWatts,
    gpuJoulesPerOutputToken:
      usage.energyJoules === undefined || tokens === undefined
        ? undefined
        : usage.energyJoules / tokens,
    gpuSmMhzMedian: usage.medianSmMhz,
    gpuSmMhzLowest: usage.lowestSmMhz,
    gpuCelsiusPeak: usage.peakCelsius,
  };
  const known = Object.entries(figures).filter(
    (entry): entry is [string, number] => entry[1] !== undefined,
  );
  return {
    ...result,
    quantlab: {
      ...quantlab,
      figures: { ...quantlab.figures, ...Object.fromEntries(known) },
      gpu: usage,
    },
  };
}
