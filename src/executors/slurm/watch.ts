/** Where every task of a run is: its files first, Slurm's word only for what has no files yet. */
import { cellPath } from "../../results/run.ts";
import {
  type Attempt,
  type AttemptStatus,
  bestResults,
  missingCells,
  readAttempts,
  taskFolder,
} from "./attempts.ts";
import type { SlurmManifest, SlurmTask } from "./manifest.ts";
import type { QueuedTask, SlurmQueue } from "./queue.ts";
import { endAdvice, hopelessReason, type JobPhase, phaseOf } from "./states.ts";

export interface TaskView {
  readonly task: SlurmTask;
  /** "done" by its files; "lost" when Slurm has it no more and cells are missing. */
  readonly state: "done" | "queued" | "running" | "ending" | "stuck" | "lost" | "unknown";
  readonly finished: number;
  /** Slurm's own word, as it is. */
  readonly slurm: string;
  /** Reason, node, what is running, or what to do. */
  readonly detail: string;
  readonly attempts: number;
}

export interface RunView {
  readonly tasks: readonly TaskView[];
  /** false when Slurm could not be asked: states are the files' alone. */
  readonly isSlurmKnown: boolean;
}

/** Whether anything can still happen by itself. */
export function isOver(view: RunView): boolean {
  return view.tasks.every(({ state }) => state === "done" || state === "lost" || state === "stuck");
}

export async function look(
  runFolder: string,
  manifest: SlurmManifest,
  queue: SlurmQueue,
): Promise<RunView> {
  const queued = await queue.tasks(manifest.submissions.map(({ jobId }) => jobId));
  const tasks = await Promise.all(
    manifest.tasks.map((task) => viewOf(runFolder, manifest, task, queued)),
  );
  return { tasks, isSlurmKnown: queued !== undefined };
}

/** The newest submission that holds the task counts. */
function jobOf(
  manifest: SlurmManifest,
  task: SlurmTask,
  queued: readonly QueuedTask[] | undefined,
): QueuedTask | undefined {
  const submission = manifest.submissions.findLast(
    ({ gpuType, indexes }) => gpuType === task.gpuType && indexes.includes(task.index),
  );
  return queued?.find(
    ({ arrayJobId, index }) => arrayJobId === submission?.jobId && index === task.index,
  );
}

async function viewOf(
  runFolder: string,
  manifest: SlurmManifest,
  task: SlurmTask,
  queued: readonly QueuedTask[] | undefined,
): Promise<TaskView> {
  const attempts = await readAttempts(taskFolder(runFolder, task.gpuType, task.index));
  const best = await bestResults(attempts, task.cells);
  const missing = missingCells(task.cells, best);
  const job = jobOf(manifest, task, queued);
  const view = {
    task,
    finished: task.cells.length - missing.length,
    slurm: job?.state ?? (queued === undefined ? "not known" : "gone"),
    attempts: attempts.length,
  };
  const last = attempts.at(-1);
  if (missing.length === 0) {
    return { ...view, state: "done", detail: last?.status?.node ?? "" };
  }
  if (queued === undefined) return { ...view, state: "unknown", detail: liveDetail(last) };
  const failed = [...best.values()].find(({ result }) => result.quantlab.status === "failed");
  const reason = failed?.result.quantlab.reason?.split("\n")[0];
  return { ...view, ...slurmDetail(job, last, reason, missing.map(cellPath)) };
}

function slurmDetail(
  job: QueuedTask | undefined,
  last: Attempt | undefined,
  failure: string | undefined,
  missing: readonly string[],
): Pick<TaskView, "state" | "detail"> {
  const phase: JobPhase = job === undefined ? "ended" : phaseOf(job.state);
  if (phase === "queued" || phase === "retry") {
    const advice = hopelessReason(job?.reason ?? "");
    return advice === undefined
      ? { state: "queued", detail: job?.reason ?? "" }
      : { state: "stuck", detail: `${job?.reason}: ${advice}` };
  }
  if (phase === "running" || phase === "ending") {
    return { state: phase, detail: `${job?.nodes ?? ""} ${liveDetail(last)}`.trim() };
  }
  if (phase === "unknown") return { state: "unknown", detail: liveDetail(last) };
  const why = failure ?? refusalOf(last?.status) ?? endAdvice(job?.state ?? "");
  return { state: "lost", detail: `${missing.length} cells missing (${missing[0]}): ${why}` };
}

function refusalOf(status: AttemptStatus | undefined): string | undefined {
  return status?.state === "refused" ? status.detail : undefined;
}

function liveDetail(last: Attempt | undefined): string {
  return last?.status?.detail ?? "";
}
