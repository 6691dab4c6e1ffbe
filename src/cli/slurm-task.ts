/** `quantlab slurm-task`: what a job of `run --on slurm` does: one task's missing cells, here. */
import { hostname } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { describeError, QuantlabError } from "../base/errors.ts";
import type { RunObserver } from "../executors/executor.ts";
import { local } from "../executors/local.ts";
import {
  type AttemptStatus,
  attemptRunFolder,
  bestResults,
  claimAttempt,
  missingCells,
  readAttempts,
  taskFolder,
  writeStatus,
} from "../executors/slurm/attempts.ts";
import {
  configOf,
  readSlurmManifest,
  type SlurmManifest,
  type SlurmTask,
} from "../executors/slurm/manifest.ts";
import { drawPlan, hashesOf, requireSameRequests, writeRequests } from "../experiments/frozen.ts";
import { type Plan, planRun } from "../experiments/plan.ts";
import { preflight, refuseOnFailure } from "../experiments/preflight.ts";
import { type CellKey, cellPath } from "../results/run.ts";
import { RunStore } from "../results/store.ts";
import { createTarget } from "../targets/registry.ts";
import { measureMachine, withAccelerator } from "./machine.ts";
import { wholeNumber } from "./option-values.ts";
import { plainConfig } from "./prepared-run.ts";
import { packageVersion } from "./version.ts";

const heartbeatMs = 10_000;

export function slurmTaskCommand(): Command {
  return new Command("slurm-task")
    .description("One task of a run over Slurm: its jobs call this, on the node.")
    .argument("<run>", "folder that `quantlab run --on slurm` made, on the shared file system")
    .argument("<gpu-type>", "as in slurm.yaml")
    .argument("<index>", "of the task in the GPU type's array", wholeNumber)
    .addHelpText(
      "after",
      `
Example:
  $ quantlab slurm-task runs/20261124-051200-lab h100 0      tries one task by hand`,
    )
    .action(runTask);
}

async function runTask(runFolder: string, gpuType: string, index: number): Promise<void> {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGTERM", stop).once("SIGINT", stop);
  const manifest = await readSlurmManifest(runFolder);
  const task = manifest.tasks.find((one) => one.gpuType === gpuType && one.index === index);
  if (task === undefined) {
    throw new QuantlabError("usage", `the run has no task ${gpuType}-${index}`, {
      hint: "its tasks are in slurm.json",
    });
  }
  const folder = taskFolder(runFolder, gpuType, index);
  const missing = missingCells(
    task.cells,
    await bestResults(await readAttempts(folder), task.cells),
  );
  if (missing.length === 0) return;
  const attempt = new AttemptRun(await claimAttempt(folder));
  try {
    await attempt.run(manifest, task, missing, interrupt.signal);
  } finally {
    attempt.end();
  }
}

/** One attempt, with its heartbeat. */
class AttemptRun {
  readonly #folder: string;
  readonly #heart: NodeJS.Timeout;
  #status: AttemptStatus;
  #written: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    const now = new Date().toISOString();
    const { SLURM_JOB_ID = "none", SLURMD_NODENAME } = process.env;
    this.#status = {
      state: "running",
      jobId: SLURM_JOB_ID,
      node: SLURMD_NODENAME ?? hostname(),
      pid: process.pid,
      startedAt: now,
      heartbeatAt: now,
      detail: "preflight",
    };
    this.#write({});
    this.#heart = setInterval(() => this.#write({}), heartbeatMs);
    this.#heart.unref();
  }

  end(): void {
    clearInterval(this.#heart);
  }

  async run(
    manifest: SlurmManifest,
    task: SlurmTask,
    missing: readonly CellKey[],
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const store = await this.#measure(manifest, task, missing, signal);
      const failed = (await store.results()).filter(({ quantlab }) => quantlab.status === "failed");
      const reason = failed[0]?.quantlab.reason?.split("\n")[0];
      this.#write({
        state: signal.aborted ? "stopped" : "finished",
        detail: signal.aborted ? "stopped by a signal" : (reason ?? ""),
      });
      await this.#written;
      if (signal.aborted) throw new QuantlabError("interrupted", "stopped by a signal");
      if (failed.length > 0) {
        throw new QuantlabError("target-failed", `${failed.length} cells failed: ${reason}`);
      }
    } catch (error) {
      if (this.#status.state === "running") {
        this.#write({ state: "refused", detail: describeError(error) });
        await this.#written;
      }
      throw error;
    }
  }

  async #measure(
    manifest: SlurmManifest,
    task: SlurmTask,
    missing: readonly CellKey[],
    signal: AbortSignal,
  ): Promise<RunStore> {
    const whole = configOf(manifest, task.gpuType);
    const labels = new Set(missing.map((cell) => cell.format));
    const config = { ...whole, formats: whole.formats.filter(({ label }) => labels.has(label)) };
    const measured = await withAccelerator(measureMachine(config.threads), config);
    const machine = { ...measured, label: task.gpuType };
    const plan = planOf(planRun(config, machine), missing);
    const checks = await preflight({ config, plan, machine, out: this.#folder });
    for (const { name, status, detail } of checks)
      process.stdout.write(`${status} ${name}: ${detail}\n`);
    refuseOnFailure(checks);
    const requests = await drawPlan(plan);
    requireSameRequests(manifest.requestHashes, requests);
    const store = await RunStore.create(join(this.#folder, attemptRunFolder), {
      quantlabVersion: packageVersion(),
      createdAt: new Date().toISOString(),
      config: plainConfig(config),
      machine,
      cells: [...missing],
      requestHashes: hashesOf(requests),
      seed: config.seed,
      traffic: Object.fromEntries([...plan.costs].map(([label, cost]) => [label, cost.traffic])),
    });
    try {
      await writeRequests(store.folder, requests);
      const target = createTarget(config.target, config.baseUrl);
      const observer = this.#observer();
      await local.execute({
        ...{ plan, store, machine, requests, target, clock: systemClock, signal, observer },
      });
      return store;
    } finally {
      await store.close();
    }
  }

  /** To the job's log, and the running cell to the status. */
  #observer(): RunObserver {
    const say = (text: string) => process.stdout.write(`${text}\n`);
    return {
      event: say,
      stepStarted: (label) => {
        say(label);
        this.#write({ detail: label });
      },
      stepProgress() {},
      stepFinished() {},
      cellFinished: (cell, { quantlab }) =>
        say(`${cellPath(cell.key)}: ${quantlab.status} ${quantlab.reason ?? ""}`),
    };
  }

  /** One after the other, so that an older state never replaces a newer one. */
  #write(change: Partial<AttemptStatus>): void {
    this.#status = { ...this.#status, ...change, heartbeatAt: new Date().toISOString() };
    const status = this.#status;
    this.#written = this.#written.then(() => writeStatus(this.#folder, status)).catch(() => {});
  }
}

/** The plan with the given cells alone. */
function planOf(plan: Plan, cells: readonly CellKey[]): Plan {
  const wanted = new Set(cells.map(cellPath));
  const blocks = plan.blocks
    .map((block) => ({
      ...block,
      cells: block.cells.filter((cell) => wanted.has(cellPath(cell.key))),
    }))
    .filter((block) => block.cells.length > 0);
  return { ...plan, blocks };
}
