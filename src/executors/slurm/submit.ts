/** Hands tasks to Slurm: one array for each GPU type, from the frozen manifest. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuantlabError } from "../../base/errors.ts";
import { bestResults, missingCells, readAttempts, taskFolder } from "./attempts.ts";
import { isUnreachable, type SlurmCommand } from "./commands.ts";
import { jobScript, sbatchArguments } from "./job.ts";
import { type SlurmManifest, type SlurmTask, writeSlurmManifest } from "./manifest.ts";
import type { SlurmQueue } from "./queue.ts";
import { phaseOf } from "./states.ts";

export interface Submitted {
  readonly gpuType: string;
  readonly jobId: string;
  readonly indexes: readonly number[];
}

/** Tasks with cells that still lack a result that counts. */
export async function missingTasks(
  runFolder: string,
  manifest: SlurmManifest,
): Promise<SlurmTask[]> {
  const missing: SlurmTask[] = [];
  for (const task of manifest.tasks) {
    const attempts = await readAttempts(taskFolder(runFolder, task.gpuType, task.index));
    const best = await bestResults(attempts, task.cells);
    if (missingCells(task.cells, best).length > 0) missing.push(task);
  }
  return missing;
}

/** Tasks that some job of this run still has in hand. @throws target-failed when Slurm is away */
export async function activeTasks(
  queue: SlurmQueue,
  manifest: SlurmManifest,
): Promise<ReadonlySet<string>> {
  const tasks = await queue.tasks(manifest.submissions.map(({ jobId }) => jobId));
  if (tasks === undefined) {
    throw new QuantlabError("target-failed", "Slurm's controller cannot be reached", {
      hint: "nothing was submitted: jobs that are still there would be doubled; try again later",
    });
  }
  const typeOf = new Map(manifest.submissions.map(({ jobId, gpuType }) => [jobId, gpuType]));
  return new Set(
    tasks
      .filter(({ state }) => ["queued", "running", "ending", "retry"].includes(phaseOf(state)))
      .map(({ arrayJobId, index }) => `${typeOf.get(arrayJobId)}-${index}`),
  );
}

/** Submits the tasks, and writes down each array before the next one is submitted. */
export async function submit(
  run: SlurmCommand,
  runFolder: string,
  manifest: SlurmManifest,
  tasks: readonly SlurmTask[],
): Promise<Submitted[]> {
  // A missing folder for the log would end a job without a word (0:53).
  await mkdir(join(runFolder, "logs"), { recursive: true });
  const submitted: Submitted[] = [];
  for (const gpuType of new Set(tasks.map((task) => task.gpuType))) {
    const indexes = tasks.filter((task) => task.gpuType === gpuType).map((task) => task.index);
    const script = join(runFolder, `job-${gpuType}.sh`);
    await writeFile(script, jobScript(manifest, runFolder, gpuType), { mode: 0o700 });
    await chmod(script, 0o700);
    const jobName = `ql-${manifest.runId}-${gpuType}-${manifest.submissions.length}`;
    const argv = sbatchArguments(manifest, runFolder, gpuType, indexes, jobName);
    const jobId = await submitArray(run, [...argv, script], gpuType, jobName);
    manifest.submissions.push({
      jobId,
      jobName,
      gpuType,
      indexes,
      submittedAt: new Date().toISOString(),
    });
    await writeSlurmManifest(runFolder, manifest);
    submitted.push({ gpuType, jobId, indexes });
  }
  return submitted;
}

async function submitArray(
  run: SlurmCommand,
  argv: readonly string[],
  gpuType: string,
  jobName: string,
): Promise<string> {
  const answer = await run("sbatch", argv);
  const id = /^(\d+)/.exec(answer.stdout.trim())?.[1];
  if (answer.code === 0 && id !== undefined) return id;
  // A submission that timed out may have arrived: its name is its own.
  const found = isUnreachable(answer) ? await jobIdByName(run, jobName) : undefined;
  if (found !== undefined) return found;
  throw refusal(gpuType, answer.stderr.trim());
}

async function jobIdByName(run: SlurmCommand, jobName: string): Promise<string | undefined> {
  const answer = await run("squeue", ["-h", "-t", "all", "-n", jobName, "-o", "%F"]);
  return answer.code === 0 ? /^(\d+)/.exec(answer.stdout.trim())?.[1] : undefined;
}

const refusals: readonly { pattern: RegExp; hint: string }[] = [
  {
    pattern: /Invalid partition name/i,
    hint: "check `partition` in slurm.yaml; `sinfo -o %R` lists the partitions",
  },
  {
    pattern: /Requested node configuration is not available/i,
    hint: "no node of the partition has that many GPUs, CPUs or that type: check `gres`, `cpus`; `sinfo -o '%R %G %c %m'`",
  },
  { pattern: /Memory specification can not be satisfied/i, hint: "lower `mem` in slurm.yaml" },
  {
    pattern: /Invalid job array specification/i,
    hint: "the site allows fewer tasks in one array: tasksPer: format",
  },
  { pattern: /Invalid account|account or partition/i, hint: "check `account` in slurm.yaml" },
  { pattern: /Invalid qos/i, hint: "check `qos` in slurm.yaml" },
  { pattern: /time limit/i, hint: "lower `time` in slurm.yaml" },
  {
    pattern: /Unable to contact|Socket timed out/i,
    hint: "Slurm's controller is away: try again later",
  },
];

function refusal(gpuType: string, said: string): QuantlabError {
  const hint = refusals.find(({ pattern }) => pattern.test(said))?.hint;
  return new QuantlabError("target-failed", `Slurm refused the jobs for ${gpuType}: ${said}`, {
    hint: hint ?? "the words are sbatch's own; the script is in the run's folder",
  });
}

/** Cancels every job of the run; ended ones do not mind. */
export async function cancel(run: SlurmCommand, manifest: SlurmManifest): Promise<void> {
  const ids = manifest.submissions.map(({ jobId }) => jobId);
  if (ids.length === 0) return;
  const answer = await run("scancel", ids);
  if (answer.code === 0) return;
  throw new QuantlabError("target-failed", `scancel failed: ${answer.stderr.trim()}`, {
    hint: `cancel by hand: scancel ${ids.join(" ")}`,
  });
}
