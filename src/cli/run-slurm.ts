/** `quantlab run --on slurm`: freezes the plan, submits it, follows it, gathers what the jobs wrote. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { analyzeRun } from "../analysis/analyze.ts";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { collect, finishedCount } from "../executors/slurm/collect.ts";
import { runSlurm, slurmVersion } from "../executors/slurm/commands.ts";
import {
  configOf,
  readSlurmManifest,
  type SlurmManifest,
  slurmManifestFile,
  tasksOf,
  writeSlurmManifest,
} from "../executors/slurm/manifest.ts";
import { SlurmQueue } from "../executors/slurm/queue.ts";
import { readSlurmFile, type SlurmFile } from "../executors/slurm/slurm-file.ts";
import { activeTasks, cancel, missingTasks, submit } from "../executors/slurm/submit.ts";
import { isOver, look, type RunView } from "../executors/slurm/watch.ts";
import { chooseModel } from "../experiments/choose-model.ts";
import type { LabConfig } from "../experiments/config.ts";
import { drawPlan, hashesOf } from "../experiments/frozen.ts";
import { planRun } from "../experiments/plan.ts";
import { writeReport } from "../report/write.ts";
import type { Machine } from "../results/run.ts";
import { loadRun } from "../results/store.ts";
import { isHubId } from "../targets/vllm/model-files.ts";
import { writeFileAtomic } from "../results/atomic-file.ts";
import { draftOf, type LabOptions } from "./lab-options.ts";
import { measureMachine } from "./machine.ts";
import type { Progress } from "./progress.ts";
import { resultText } from "./result-text.ts";
import { runName } from "./run-name.ts";
import { findRun } from "./run-resume.ts";
import { packageVersion } from "./version.ts";

export interface SlurmOptions extends LabOptions {
  readonly on?: string;
  readonly slurm?: string;
  readonly watch?: boolean;
  readonly cancel?: string;
  readonly resume?: string | true;
  readonly json?: boolean;
}

/** Between looks: often at first, and never a burden to a busy controller. */
const firstPollMs = 1_000;
const longestPollMs = 15_000;

/** Whether the command line is about a run over Slurm. */
export async function isOnSlurm(options: SlurmOptions): Promise<boolean> {
  if (options.on === "slurm" || options.cancel !== undefined) return true;
  if (options.resume === undefined || options.resume === true) return false;
  return existsSync(join(options.resume, slurmManifestFile));
}

export async function runOnSlurm(
  file: string | undefined,
  options: SlurmOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  if (options.cancel !== undefined) return cancelRun(options.cancel, progress);
  progress.event(`Slurm ${await slurmVersion(runSlurm)}`);
  const folder = resolve(
    options.resume === undefined
      ? await freeze(file, options, progress)
      : await findRun(options.resume, options.out),
  );
  const manifest = await readSlurmManifest(folder);
  if (options.resume !== undefined && options.slurm !== undefined) {
    // A longer limit or another partition for what is left; cells stay as they are frozen.
    manifest.slurm = readSlurmFile(options.slurm);
    await writeSlurmManifest(folder, manifest);
  }
  const queue = new SlurmQueue(runSlurm);
  const active = await activeTasks(queue, manifest);
  const missing = await missingTasks(folder, manifest);
  const idle = missing.filter((task) => !active.has(`${task.gpuType}-${task.index}`));
  for (const { gpuType, jobId, indexes } of await submit(runSlurm, folder, manifest, idle)) {
    progress.event(`${gpuType}: job ${jobId} for ${indexes.length} tasks`);
  }
  if (options.watch === true) await follow(folder, manifest, queue, progress, signal);
  else progress.event(howToGoOn(folder));
  if (options.watch === true || missing.length === 0) await gather(folder, manifest, options);
}

function howToGoOn(folder: string): string {
  const name = relative(".", folder);
  return `follow it with \`quantlab run --resume ${name} --watch\`, cancel it with \`quantlab run --cancel ${name}\``;
}

async function cancelRun(name: string, progress: Progress): Promise<void> {
  const folder = resolve(name);
  await cancel(runSlurm, await readSlurmManifest(folder));
  progress.event(`cancelled; what is finished is kept: quantlab run --resume ${name}`);
}

/** Writes slurm.json. @returns the run's folder */
async function freeze(
  file: string | undefined,
  options: SlurmOptions,
  progress: Progress,
): Promise<string> {
  if (options.slurm === undefined) {
    throw new QuantlabError("usage", "--on slurm needs to know the cluster", {
      hint: "--slurm slurm.yaml; examples/slurm.yaml is one to start from",
    });
  }
  const slurm = readSlurmFile(options.slurm);
  progress.event("planning");
  const draft = draftOf(file, options);
  const machine = measureMachine(draft.threads);
  const config = chooseModel(draft, machine);
  requireSharedModel(config);
  const now = new Date(systemClock.wallMs());
  const name = runName(config, now);
  const folder = resolve(options.out, name);
  await mkdir(folder, { recursive: true });
  await writeSlurmManifest(folder, {
    schemaVersion: 1,
    // Job names are unique per run even where two start in one second.
    runId: `${name.slice(0, 15)}-${process.pid}`,
    createdAt: now.toISOString(),
    quantlabVersion: packageVersion(),
    config,
    slurm,
    requestHashes: hashesOf(await drawPlan(planRun(config, machine))),
    tasks: Object.keys(slurm.gpuTypes).flatMap((type) => planType(config, slurm, type, machine)),
    submissions: [],
  });
  progress.event(`${relative(".", folder)}: the plan is frozen in ${slurmManifestFile}`);
  return folder;
}

/** A node would have to download it, twelve times at once, and most nodes have no network. */
function requireSharedModel(config: LabConfig): void {
  if (!isHubId(config.model)) return;
  throw new QuantlabError(
    "usage",
    `over Slurm the model is a folder, not the hub id ${config.model}`,
    {
      hint: `download it to the shared file system: \`hf download ${config.model} --local-dir DIR\`, and give DIR as model`,
    },
  );
}

function planType(config: LabConfig, slurm: SlurmFile, gpuType: string, machine: Machine) {
  const own = configOf({ config, slurm }, gpuType);
  const cells = planRun(own, machine).blocks.flatMap((block) => block.cells.map(({ key }) => key));
  return tasksOf(gpuType, cells, slurm.tasksPer);
}

/** Until every task is done, lost or stuck; Ctrl-C leaves the jobs alone. */
async function follow(
  folder: string,
  manifest: SlurmManifest,
  queue: SlurmQueue,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const shown = new Map<string, string>();
  let isOverBefore = false;
  const beganMs = systemClock.nowMs();
  while (!signal.aborted) {
    const view = await look(folder, manifest, queue);
    show(view, shown, progress);
    // Twice, since a file may come a moment after the job's end on a network file system.
    if (isOver(view) && isOverBefore) return;
    isOverBefore = isOver(view);
    const elapsedMs = systemClock.nowMs() - beganMs;
    const pollMs = Math.min(longestPollMs, firstPollMs + elapsedMs / 40);
    await systemClock.sleepUntil(systemClock.nowMs() + pollMs, signal);
  }
  throw new QuantlabError("interrupted", "stopped watching; the jobs go on", {
    hint: howToGoOn(folder),
  });
}

/** A line for each task whose state changed. */
function show({ tasks, isSlurmKnown }: RunView, shown: Map<string, string>, progress: Progress) {
  if (!isSlurmKnown)
    progress.event("Slurm's controller does not answer; states are the files' alone");
  for (const { task, state, finished, slurm, detail, attempts } of tasks) {
    const name = `${task.gpuType}-${task.index}`;
    const rows = [...new Set(task.cells.map((cell) => cell.format))].join(",");
    const tries = attempts > 1 ? `, attempt ${attempts}` : "";
    const text = `${name} ${rows}: ${state} (${slurm}), ${finished}/${task.cells.length} cells${tries}${detail === "" ? "" : `; ${detail}`}`;
    if (shown.get(name) === text) continue;
    shown.set(name, text);
    progress.event(text);
  }
  const done = tasks.filter(({ state }) => state === "done").length;
  progress.bar({
    fraction: done / tasks.length,
    leftMs: Number.NaN,
    text: `${done}/${tasks.length} tasks`,
  });
}

/** One run folder for each GPU type, an analysis for each, and one page over all. */
async function gather(
  folder: string,
  manifest: SlurmManifest,
  options: SlurmOptions,
): Promise<void> {
  const collected = await collect(folder, manifest);
  const folders = collected.flatMap((one) => (one.folder === undefined ? [] : [one.folder]));
  const runs = await Promise.all(folders.map(loadRun));
  const analyses = runs.map((run) => ({ run, analysis: analyzeRun(run) }));
  for (const { run, analysis } of analyses) {
    await writeFileAtomic(
      join(run.folder, "analysis.json"),
      `${JSON.stringify(analysis, null, 2)}\n`,
    );
  }
  const report =
    runs.length === 0 ? undefined : await writeReport(runs, join(folder, "report.html"));
  if (options.json === true) {
    const gpuTypes = analyses.map(({ run, analysis }) => ({ folder: run.folder, analysis }));
    process.stdout.write(`${JSON.stringify({ folder, report, gpuTypes })}\n`);
  } else {
    for (const { run, analysis } of analyses) {
      const [table] = analysis.tables;
      process.stdout.write(`\n${run.manifest.machine.label ?? ""}\n\n`);
      if (table !== undefined) process.stdout.write(`${resultText(table)}\n`);
      process.stdout.write(`${analysis.recommendation.answer}\n`);
    }
    if (report !== undefined) process.stdout.write(`\nReport: ${relative(".", report)}\n`);
  }
  requireAll(
    folder,
    collected.map((one) => ({ ...one, finished: finishedCount(one) })),
  );
}

/** @throws target-failed naming how many cells are missing of each GPU type */
function requireAll(
  folder: string,
  types: readonly { gpuType: string; cells: readonly unknown[]; finished: number }[],
): void {
  const lacking = types.filter(({ cells, finished }) => finished < cells.length);
  if (lacking.length === 0) return;
  const list = lacking.map(
    ({ gpuType, cells, finished }) => `${gpuType}: ${finished} of ${cells.length}`,
  );
  throw new QuantlabError("target-failed", `cells are missing: ${list.join(", ")}`, {
    hint: `run them again with \`quantlab run --resume ${relative(".", folder)} --watch\`; logs are in ${relative(".", join(folder, "logs"))}`,
  });
}
