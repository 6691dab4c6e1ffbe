/** The job of one GPU type: its script, and the words for sbatch. */
import { fileURLToPath } from "node:url";
import type { SlurmManifest } from "./manifest.ts";
import { settingsOf } from "./slurm-file.ts";

// Three levels up from src/executors/slurm and from dist/executors/slurm alike.
const binary = fileURLToPath(new URL("../../../bin/quantlab.js", import.meta.url));

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * A job gets nothing of the submitter's environment: what it needs is in here. quantlab becomes the
 * batch shell's own process, so that Slurm's signals reach it.
 */
export function jobScript(manifest: SlurmManifest, runFolder: string, gpuType: string): string {
  const { setup, env = {}, envFile, quantlab } = manifest.slurm;
  const command = (quantlab ?? [process.execPath, binary]).map(quote).join(" ");
  return [
    "#!/bin/bash",
    `# One task of a run of quantlab on ${gpuType}: the index says which cells (slurm.json).`,
    ...(envFile === undefined ? [] : [`source ${quote(envFile)}`]),
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(String(value))}`),
    ...(setup === undefined ? [] : [setup.trimEnd()]),
    `exec ${command} slurm-task ${quote(runFolder)} ${quote(gpuType)} "$SLURM_ARRAY_TASK_ID"`,
    "",
  ].join("\n");
}

/** Without the script's path. */
export function sbatchArguments(
  manifest: SlurmManifest,
  runFolder: string,
  gpuType: string,
  indexes: readonly number[],
  jobName: string,
): string[] {
  const settings = settingsOf(manifest.slurm, gpuType);
  const { maxParallel } = settings;
  const throttle = maxParallel === undefined ? "" : `%${maxParallel}`;
  const option = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [`--${name}=${value}`];
  return [
    "--parsable",
    `--job-name=${jobName}`,
    `--array=${indexes.join(",")}${throttle}`,
    `--output=${runFolder}/logs/${gpuType}-%a-%A.log`,
    // A requeued task goes on in the same log instead of wiping what its first try said.
    "--open-mode=append",
    "--requeue",
    "--export=NONE",
    ...option("partition", settings.partition),
    ...option("gres", settings.gres),
    ...option("constraint", settings.constraint),
    ...option("account", settings.account),
    ...option("qos", settings.qos),
    ...option("time", settings.time),
    ...option("cpus-per-task", settings.cpus),
    ...option("mem", settings.mem),
    ...option("nodes", settings.nodes),
    ...(settings.sbatch ?? []),
  ];
}
