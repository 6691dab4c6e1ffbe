/** `quantlab run`: preflight, every cell on fresh servers, analysis, report; resumable at any moment. */
import { join, relative } from "node:path";
import { Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import { local } from "../executors/local.ts";
import { chooseModel } from "../experiments/choose-model.ts";
import { drawPlan, hashesOf, requireSameRequests, writeRequests } from "../experiments/frozen.ts";
import { blockMs, type Plan, planRun } from "../experiments/plan.ts";
import { preflight, refuseOnFailure } from "../experiments/preflight.ts";
import { type CellResult, cellPath } from "../results/run.ts";
import { RunStore } from "../results/store.ts";
import { createTarget } from "../targets/registry.ts";
import { addLabFlags, localDraftOf } from "./lab-options.ts";
import { measureMachine, withAccelerator } from "./machine.ts";
import { type PreparedRun, plainConfig } from "./prepared-run.ts";
import { Progress } from "./progress.ts";
import { finishRun } from "./run-end.ts";
import { runName } from "./run-name.ts";
import { runProgress } from "./run-progress.ts";
import { refineRun } from "./run-refine.ts";
import { findRun, openRun } from "./run-resume.ts";
import { isOnSlurm, runOnSlurm, type SlurmOptions } from "./run-slurm.ts";
import { packageVersion } from "./version.ts";

const examples = `
Examples:
  $ quantlab run                                     the quick profile, a few minutes
  $ quantlab run --model dummy:llama-3.2-1b --formats bf16,awq
  $ quantlab run examples/lab.yaml
  $ quantlab run --target endpoint --base-url http://127.0.0.1:8000 --formats bf16
  $ quantlab run examples/lab.yaml --target vllm     on this machine's GPU
  $ quantlab run examples/lab.yaml --on slurm --slurm slurm.yaml --watch
  $ quantlab run --resume                            go on with the latest run`;

type RunOptions = SlurmOptions;

export function runCommand(): Command {
  const command = new Command("run")
    .description("The whole lab: every format under the same load, then analysis and report.")
    .argument("[lab.yaml]", "a whole experiment as a file")
    .option("--resume [run]", "go on with a run: its folder, or the latest in --out")
    .addOption(new Option("--on <where>", "where the cells run").choices(["here", "slurm"]))
    .option("--slurm <file>", "the cluster, for --on slurm (examples/slurm.yaml)")
    .option("--watch", "follow the jobs of --on slurm, and gather what they measured")
    .option("--cancel <run>", "cancel the jobs of a run over Slurm")
    .option("--json", "one JSON object on stdout instead of the table")
    .addHelpText("after", examples);
  return addLabFlags(command).action(runLab);
}

async function runLab(file: string | undefined, options: RunOptions): Promise<void> {
  const progress = new Progress();
  const interrupt = new AbortController();
  const onSignal = () => {
    progress.event("interrupted: stopping; once more ends it at once");
    interrupt.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    if (await isOnSlurm(options)) {
      await runOnSlurm(file, options, progress, interrupt.signal);
      return;
    }
    const prepared =
      options.resume === undefined
        ? await prepareNew(file, options, progress)
        : await openRun(await findRun(options.resume, options.out), file, options, progress);
    try {
      await executeAll(prepared, progress, interrupt.signal);
      await finishRun(prepared, progress, options.json === true);
      await requireComplete(prepared.store, interrupt.signal);
    } finally {
      await prepared.store.close();
    }
  } finally {
    progress.end();
    process.removeListener("SIGINT", onSignal).removeListener("SIGTERM", onSignal);
  }
}

async function prepareNew(
  file: string | undefined,
  options: RunOptions,
  progress: Progress,
): Promise<PreparedRun> {
  const draft = localDraftOf(file, options);
  progress.event("measuring this machine");
  const measured = measureMachine(draft.threads);
  const config = chooseModel(draft, measured);
  const machine = await withAccelerator(measured, config);
  const plan = planRun(config, machine);
  const checks = await preflight({ config, plan, machine, out: options.out });
  for (const { name, status, detail } of checks) {
    if (status !== "pass") progress.event(`${status}: ${name}: ${detail}`);
  }
  refuseOnFailure(checks);
  const requests = await drawPlan(plan);
  const now = new Date(systemClock.wallMs());
  const store = await RunStore.create(join(options.out, runName(config, now)), {
    quantlabVersion: packageVersion(),
    createdAt: now.toISOString(),
    config: plainConfig(config),
    machine,
    cells: plan.blocks.flatMap((block) => block.cells.map((cell) => cell.key)),
    requestHashes: hashesOf(requests),
    seed: config.seed,
    traffic: Object.fromEntries([...plan.costs].map(([label, cost]) => [label, cost.traffic])),
  });
  await writeRequests(store.folder, requests);
  return { plan, store, machine };
}

/** The plan, then what narrows the crossovers that it found. */
async function executeAll(
  prepared: PreparedRun,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  let next: PreparedRun | undefined = prepared;
  while (next !== undefined && !signal.aborted) {
    await execute(next, progress, signal);
    next = await refineRun(next);
    if (next !== undefined) progress.event("adding batch sizes that narrow the crossover");
  }
}

async function execute(
  { plan, store, machine }: PreparedRun,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { config } = plan;
  const missing = new Set((await store.missing()).map(cellPath));
  const isMissing = (block: Plan["blocks"][number]) => ({
    ...block,
    cells: block.cells.filter((cell) => missing.has(cellPath(cell.key))),
  });
  const blocks = plan.blocks.map(isMissing).filter((block) => block.cells.length > 0);
  const predictedMs = blocks.reduce((sum, block) => sum + blockMs(block), 0);
  const estimate = predictedMs === 0 ? "" : `, about ${formatDuration(predictedMs)}`;
  progress.event(
    `${config.model}: ${missing.size} of ${store.manifest.cells.length} cells to run${estimate}; ${relative(".", store.folder)}`,
  );
  if (missing.size === 0) return;
  const requests = await drawPlan(plan);
  requireSameRequests(store.manifest.requestHashes, requests);
  await local.execute({
    plan,
    store,
    machine,
    requests,
    target: createTarget(config.target, config.baseUrl),
    clock: systemClock,
    signal,
    observer: runProgress({ progress, predictedMs, cells: missing.size }),
  });
}

/** @throws interrupted, target-failed when not every cell is done or skipped */
async function requireComplete(store: RunStore, signal: AbortSignal): Promise<void> {
  const results = await store.results();
  const total = store.manifest.cells.length;
  const folder = relative(".", store.folder);
  if (results.length < total && signal.aborted) {
    throw new QuantlabError(
      "interrupted",
      `interrupted: ${results.length} of ${total} cells are finished in ${folder}`,
      { hint: `go on with \`quantlab run --resume ${folder}\`` },
    );
  }
  const failed = results.filter(({ quantlab }) => quantlab.status === "failed");
  if (failed.length === 0) return;
  throw new QuantlabError(
    "target-failed",
    `${failed.length} of ${total} cells failed:\n${listOf(failed)}`,
    {
      hint: `try them again with \`quantlab run --resume ${folder}\``,
    },
  );
}

function listOf(results: readonly CellResult[]): string {
  return results
    .map(({ quantlab }) => `  ${cellPath(quantlab.key)}: ${quantlab.reason?.split("\n")[0]}`)
    .join("\n");
}
