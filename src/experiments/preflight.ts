/** E0: everything that can be known to fail later is checked before any time is spent. */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { freemem } from "node:os";
import { dirname, resolve } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { formatBytes, significant } from "../base/units.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { formatByName, kernelOf } from "../formats/registry.ts";
import type { Machine } from "../results/run.ts";
import { createTarget } from "../targets/registry.ts";
import { limitedCount, readProblems } from "../eval/gsm8k/dataset.ts";
import { accuracyModel, accuracySkip, questionsPath } from "./accuracy-plan.ts";
import type { Check } from "./check.ts";
import type { LabConfig } from "./config.ts";
import type { Plan } from "./plan.ts";
import { checkVllm, realSurroundings, type VllmSurroundings } from "./preflight-vllm.ts";

export interface PreflightInput {
  readonly config: LabConfig;
  readonly plan: Plan;
  readonly machine: Machine;
  /** Folder of the run, or of the runs. */
  readonly out: string;
  /** Bytes that a new process may take; the system's own estimate. */
  readonly availableBytes?: number;
  /** In place of what vLLM, nvidia-smi and the hub answer. */
  readonly vllm?: VllmSurroundings;
}

/** All checks, in the order in which a reader asks; none stops the others. */
export async function preflight(input: PreflightInput): Promise<readonly Check[]> {
  const { config, plan } = input;
  return [
    checkNode(),
    checkMachine(input.machine),
    checkTarget(config),
    checkModel(plan),
    ...(config.target === "vllm"
      ? await checkVllm(config, input.vllm ?? realSurroundings(config))
      : config.formats.map((entry) => checkFormat(entry, config, plan))),
    checkMemory(input),
    await checkDisk(input),
    ...(config.target === "endpoint" ? [] : [await checkPort()]),
    ...checkDatasets(config),
    ...(await checkQuestions(config)),
    ...checkSkipped(plan),
  ];
}

/** @throws preflight-refused naming every check that failed */
export function refuseOnFailure(checks: readonly Check[]): void {
  const failed = checks.filter((check) => check.status === "fail");
  if (failed.length === 0) return;
  const lines = failed.map((check) => `${check.name}: ${check.detail}`);
  const hints = failed.map((check) => check.hint).filter((hint) => hint !== undefined);
  throw new QuantlabError("preflight-refused", `the preflight refused:\n  ${lines.join("\n  ")}`, {
    ...(hints.length === 0 ? {} : { hint: hints.join("; ") }),
  });
}

/** Runs a check that throws its refusal. */
function guarded(name: string, detail: () => string): Check {
  try {
    return { name, status: "pass", detail: detail() };
  } catch (error) {
    if (!(error instanceof QuantlabError)) throw error;
    return { name, status: "fail", detail: error.message, hint: error.hint };
  }
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isOld = major < 20 || (major === 20 && minor < 19);
  return {
    name: "node",
    status: isOld ? "fail" : "pass",
    detail: process.version,
    hint: isOld ? "install Node 20.19 or newer" : undefined,
  };
}

function checkMachine(machine: Machine): Check {
  const { isa, threads, cores, readBandwidthBytesPerSecond, bf16FlopsPerSecond } = machine;
  const rates = `reads ${significant(readBandwidthBytesPerSecond / 1e9, 3)} GB/s, ${significant(bf16FlopsPerSecond / 1e9, 3)} GFLOP/s in BF16`;
  return {
    name: "machine",
    status: isa === "portable" ? "warn" : "pass",
    detail: `${machine.cpuModel}, ${threads} threads on ${cores} cores, ${isa}; ${rates}`,
    hint: isa === "portable" ? "no vector instructions are used: expect it to be slow" : undefined,
  };
}

function checkTarget(config: LabConfig): Check {
  const check = guarded("target", () => {
    createTarget(config.target, config.baseUrl);
    return config.target === "endpoint" ? `endpoint ${config.baseUrl}` : config.target;
  });
  if (check.status !== "pass" || config.target !== "endpoint" || config.formats.length < 2) {
    return check;
  }
  return {
    name: "target",
    status: "warn",
    detail: `${check.detail} answers for all ${config.formats.length} rows: unless it lists a model for each row's label, they measure the same server`,
    hint: "give one row, --formats bf16, and a run for each server; `report RUN_A RUN_B` shows them side by side",
  };
}

function checkModel({ config, model }: Plan): Check {
  if (model === undefined) {
    const detail = `${config.model} is not here: nothing is predicted, prompts are generic`;
    return { name: "model", status: "warn", detail };
  }
  const { maxPositions } = model.config;
  if (config.maxModelLen > maxPositions) {
    return {
      name: "model",
      status: "fail",
      detail: `${model.label} knows ${maxPositions} positions, the experiments need ${config.maxModelLen}`,
      hint: "shorten inputLen, outputLen or lengthScale",
    };
  }
  const weights = model.trained ? "trained weights" : "seeded random weights, not trained";
  return { name: "model", status: "pass", detail: `${model.label}, ${weights}` };
}

/** Whether the model's matrices can be cut as the format needs, and its own checkpoint is there. */
function checkFormat(entry: LabConfig["formats"][number], config: LabConfig, plan: Plan): Check {
  return guarded(`format ${entry.label}`, () => {
    const format = formatByName(entry.format);
    const isOurs = config.target === "embedded";
    const kernel = isOurs ? kernelOf(format, entry.kernel) : undefined;
    const title = kernel === undefined ? format.title : `${format.title}; kernel ${kernel}`;
    const model =
      entry.checkpoint === undefined || config.target === "endpoint"
        ? plan.model
        : resolveModel(entry.checkpoint);
    if (model === undefined) return `${title}, as the server has it`;
    const bits = format.bitsPerWeight(model.config.hiddenSize, format.resolve(model.config));
    return `${title}; ${significant(bits, 4)} bits per weight`;
  });
}

function checkMemory({ config, plan, availableBytes = freemem() }: PreflightInput): Check {
  const needed = Math.max(0, ...plan.blocks.map((block) => block.memoryBytes ?? 0));
  const limit = config.budget?.memoryGb;
  const overBudget = limit !== undefined && needed > limit * 1e9;
  const tooMuch = needed > availableBytes;
  const detail =
    needed === 0
      ? "not ours to reserve"
      : `largest server needs ${formatBytes(needed)}, ${formatBytes(availableBytes)} available${overBudget ? `, budget ${limit} GB` : ""}`;
  return {
    name: "memory",
    status: tooMuch || overBudget ? "fail" : "pass",
    detail,
    hint: tooMuch ? "choose a smaller --model, shorter lengths or a smaller maxNumSeqs" : undefined,
  };
}

async function checkDisk({ plan, out }: PreflightInput): Promise<Check> {
  let folder = resolve(out);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const isShort = plan.diskBytes > free;
  return {
    name: "disk",
    status: isShort ? "fail" : "pass",
    detail: `the run takes about ${formatBytes(plan.diskBytes)}, ${formatBytes(free)} free`,
    hint: isShort ? "choose another --out" : undefined,
  };
}

/** A port of the loopback interface can be opened. */
async function checkPort(): Promise<Check> {
  const server = createServer();
  const failure = await new Promise<Error | undefined>((settle) => {
    server.once("error", settle);
    server.listen(0, "127.0.0.1", () => server.close(() => settle(undefined)));
  });
  return failure === undefined
    ? { name: "port", status: "pass", detail: "127.0.0.1 can be listened on" }
    : {
        name: "port",
        status: "fail",
        detail: `127.0.0.1 cannot be listened on: ${failure.message}`,
        hint: "servers are measured over the loopback interface",
      };
}

function checkDatasets(config: LabConfig): Check[] {
  const { serving } = config.experiments;
  if (serving === undefined) return [];
  const name = "data set";
  const { dataset, path } = serving;
  if (dataset === "lengths" || dataset === "random") {
    return [{ name, status: "pass", detail: `serving draws its own prompts (${dataset})` }];
  }
  if (path !== undefined && existsSync(path)) {
    return [{ name, status: "pass", detail: `serving reads ${path}` }];
  }
  return [
    {
      name,
      status: "fail",
      detail: path === undefined ? `${dataset} has no path` : `${path} does not exist`,
      hint: "give experiments.serving.path, or take dataset: lengths, which needs no file",
    },
  ];
}

/** Whether the questions of the accuracy cells are there, and the examples in front of them. */
async function checkQuestions(config: LabConfig): Promise<Check[]> {
  const { accuracy } = config.experiments;
  if (accuracy === undefined || accuracySkip(config) !== undefined) return [];
  const name = "questions";
  const path = questionsPath(config);
  try {
    const { test } = await readProblems(path, accuracy.numFewshot);
    const asked = limitedCount(test.length, accuracy.limit);
    const detail = `${asked} of ${test.length} in ${path}, ${accuracy.numFewshot} shots, asked of ${accuracyModel(config)}`;
    return [{ name, status: "pass", detail }];
  } catch (error) {
    if (!(error instanceof QuantlabError)) throw error;
    const hint = "give experiments.accuracy.path, or leave accuracy out";
    return [{ name, status: "fail", detail: error.message, hint: error.hint ?? hint }];
  }
}

/** One line for each experiment that the plan skips. */
function checkSkipped(plan: Plan): Check[] {
  const skipped = new Map<string, string>();
  for (const cell of plan.blocks.flatMap((block) => block.cells)) {
    if (cell.skip !== undefined) skipped.set(cell.key.experiment, cell.skip);
  }
  return [...skipped].map(([name, detail]) => ({ name, status: "skip", detail }));
}
