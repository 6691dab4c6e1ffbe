/** slurm.json: the frozen plan of a run over Slurm. A task is what its index says here, for ever. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import { type LabConfig, labConfigSchema } from "../../experiments/config.ts";
import { writeFileAtomic } from "../../results/atomic-file.ts";
import { cellKeySchema, type CellKey } from "../../results/run.ts";
import { type SlurmFile, settingsOf, slurmFileSchema } from "./slurm-file.ts";

export const slurmManifestFile = "slurm.json";

const taskSchema = z.object({
  gpuType: z.string(),
  /** Index in the GPU type's array. */
  index: z.number().int().nonnegative(),
  cells: z.array(cellKeySchema).min(1),
});
export type SlurmTask = z.infer<typeof taskSchema>;

const submissionSchema = z.object({
  jobId: z.string(),
  jobName: z.string(),
  gpuType: z.string(),
  indexes: z.array(z.number()),
  submittedAt: z.string(),
});

const manifestSchema = z.object({
  schemaVersion: z.literal(1),
  /** Begins every job's name: unique per run, so that a lost submission can be found again. */
  runId: z.string(),
  createdAt: z.string(),
  quantlabVersion: z.string(),
  config: labConfigSchema,
  slurm: slurmFileSchema,
  requestHashes: z.record(z.string(), z.string()),
  tasks: z.array(taskSchema),
  submissions: z.array(submissionSchema),
});
export type SlurmManifest = z.infer<typeof manifestSchema>;

/** The lab as a GPU type measures it: its formats, with its own words for vLLM. */
export function configOf(
  manifest: Pick<SlurmManifest, "config" | "slurm">,
  gpuType: string,
): LabConfig {
  const { formats, vllm } = settingsOf(manifest.slurm, gpuType);
  const { config } = manifest;
  const rows = config.formats.filter((row) => formats?.includes(row.label) ?? true);
  if (rows.length === 0) {
    throw new QuantlabError(
      "config-invalid",
      `gpuTypes.${gpuType}.formats names no row of the lab; the rows are ${config.formats.map(({ label }) => label).join(", ")}`,
    );
  }
  return {
    ...config,
    formats: rows,
    ...(vllm === undefined ? {} : { vllm: { ...config.vllm, ...vllm } }),
  };
}

/** Cells in groups that one job measures: those of a row, or of a row and an experiment. */
export function tasksOf(
  gpuType: string,
  cells: readonly CellKey[],
  tasksPer: SlurmFile["tasksPer"],
): SlurmTask[] {
  const groups = new Map<string, CellKey[]>();
  for (const cell of cells) {
    const name = tasksPer === "format" ? cell.format : `${cell.format}/${cell.experiment}`;
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return [...groups.values()].map((own, index) => ({ gpuType, index, cells: own }));
}

/** @throws file-not-found, run-invalid */
export async function readSlurmManifest(folder: string): Promise<SlurmManifest> {
  const path = join(folder, slurmManifestFile);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new QuantlabError("file-not-found", `${folder} is not a run over Slurm`, {
      hint: `it has no ${slurmManifestFile}; start one with --on slurm`,
      cause,
    });
  });
  const parsed = manifestSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new QuantlabError("run-invalid", `${path}: ${z.prettifyError(parsed.error)}`, {
    cause: parsed.error,
  });
}

export function writeSlurmManifest(folder: string, manifest: SlurmManifest): Promise<void> {
  return writeFileAtomic(
    join(folder, slurmManifestFile),
    `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`,
  );
}
