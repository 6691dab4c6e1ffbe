/** `quantlab bench serving`: online latency and throughput under a request load (E3). */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/json-lines.ts";
import { formatDuration, significant } from "../base/units.ts";
import type { LoadResult } from "../load/generator.ts";
import type { RequestManifest } from "../load/request.ts";
import { summarize } from "../metrics/summary.ts";
import type { Distribution, Slo, Summary } from "../metrics/summary-types.ts";
import { assessValidity, describeValidity, type Validity } from "../metrics/validity.ts";
import { toVllmResult } from "../metrics/vllm-result.ts";
import { steadyState } from "../metrics/window.ts";
import {
  addServerFlags,
  type BenchServer,
  connect,
  requireSuccess,
  runBenchLoad,
  type ServerFlags,
  warmupSeed,
} from "./bench-server.ts";
import { positiveInteger, wholeNumber } from "./option-values.ts";
import {
  addRequestFlags,
  chooseRequests,
  drawWarmup,
  type RequestFlags,
  rampOf,
} from "./serving-requests.ts";
import { renderTable } from "./table.ts";

interface ServingFlags extends ServerFlags, RequestFlags {
  readonly maxConcurrency?: number;
  readonly numWarmups: number;
  readonly workers: number;
  readonly busyPoll: boolean;
  readonly ignoreEos: boolean;
  readonly goodput?: string[];
  readonly label?: string;
  readonly saveRecords?: string;
  readonly saveDetailed: boolean;
  readonly resultDir?: string;
  readonly json: boolean;
}

const example = `
Example:
  $ quantlab bench serving --base-url http://127.0.0.1:8000 --dataset-name lengths \\
      --num-prompts 50 --request-rate 4 --goodput ttft:2000 tpot:100 --result-dir results`;

export function benchServingCommand(): Command {
  const command = new Command("serving").description(
    "TTFT, ITL, TPOT and throughput of a server under a request load",
  );
  addServerFlags(command);
  addRequestFlags(command);
  return command
    .option("--max-concurrency <n>", "requests in flight at most", positiveInteger)
    .option("--num-warmups <n>", "requests of other prompts sent first", wholeNumber, 2)
    .option("--ignore-eos", "make every answer as long as asked", false)
    .option("--goodput <slo...>", "limits in ms, such as ttft:2000 tpot:100 e2el:9000")
    .option("--workers <n>", "threads that send and stamp; more for high rates", positiveInteger, 1)
    .option("--busy-poll", "never sleep while measuring: for a client with a core to spare", false)
    .option("--save-records <file>", "every request's times as JSON lines")
    .option("--label <text>", "first part of the result file's name")
    .option("--save-detailed", "per-request arrays in the result file", false)
    .option("--result-dir <dir>", "write the result as JSON into this folder")
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", example)
    .action(async (flags: ServingFlags) => runServing(flags));
}

async function runServing(flags: ServingFlags): Promise<void> {
  const slo = parseSlo(flags.goodput ?? []);
  const manifest = await chooseRequests(flags);
  const server = await connect(flags);
  await warmUp(server, flags);
  const run = await measure(server, manifest, flags);
  const summary = summarize(run.records, { durationMs: run.durationMs, slo });
  const validity = judge(run, manifest, flags);
  const result = {
    ...toVllmResult(summary, {
      startedWallMs: run.startedWallMs,
      modelId: server.modelName,
      numPrompts: manifest.requests.length,
      requestRate: flags.requestRate,
      burstiness: flags.burstiness,
      moreSettings: vllmRamp(flags),
      maxConcurrency: flags.maxConcurrency,
      label: flags.label,
      records: run.records,
      detailed: flags.saveDetailed,
    }),
    quantlab: quantlabPart(run, manifest, summary, validity, flags),
  };
  if (flags.resultDir !== undefined) await writeResult(flags.resultDir, result, flags, server);
  process.stdout.write(
    flags.json ? `${JSON.stringify(result)}\n` : renderServing(summary, validity, manifest),
  );
  requireSuccess(run.records);
}

function vllmRamp(flags: ServingFlags): Record<string, unknown> {
  const ramp = rampOf(flags);
  if (ramp === undefined) return {};
  const { strategy, startRps, endRps } = ramp;
  return { ramp_up_strategy: strategy, ramp_up_start_rps: startRps, ramp_up_end_rps: endRps };
}

/** Records are written as they come: an interrupted run leaves those that it has. */
async function measure(
  server: BenchServer,
  manifest: RequestManifest,
  flags: ServingFlags,
): Promise<LoadResult> {
  const { saveRecords } = flags;
  const writer =
    saveRecords === undefined ? undefined : await JsonLinesWriter.open(saveRecords, "w");
  try {
    return await runBenchLoad(server, {
      manifest,
      mode: { kind: "open", maxConcurrency: flags.maxConcurrency },
      ignoreEos: ignoresEos(manifest, flags),
      keepText: flags.saveDetailed,
      workers: flags.workers,
      busyPoll: flags.busyPoll,
      title: manifest.arrivals,
      ...(writer === undefined ? {} : { onRecord: (record) => writer.append(record) }),
    });
  } finally {
    await writer?.close();
  }
}

/**
 * Drawn token ids mean nothing, so a model may end its answer anywhere: EOS is ignored for them, as
 * vLLM does for its random data set. Ids in a custom file are somebody's own and may mean something.
 */
function ignoresEos(manifest: RequestManifest, flags: ServingFlags): boolean {
  const hasIds = manifest.requests.some((request) => typeof request.prompt !== "string");
  return flags.ignoreEos || (hasIds && flags.datasetName !== "custom");
}

/** "ttft:2000" and the like to limits. @throws usage */
export function parseSlo(words: readonly string[]): Slo {
  const slo: Record<string, number> = {};
  for (const word of words) {
    const [name = "", limit = ""] = word.split(":");
    if (!["ttft", "tpot", "e2el"].includes(name) || !(Number(limit) > 0)) {
      throw new QuantlabError("usage", `"${word}" is not a goodput limit`, {
        hint: "write ttft:MS, tpot:MS or e2el:MS",
      });
    }
    slo[name] = Number(limit);
  }
  return slo;
}

async function warmUp(server: BenchServer, flags: ServingFlags): Promise<void> {
  if (flags.numWarmups === 0) return;
  const manifest = await drawWarmup(flags, flags.numWarmups, warmupSeed(flags.seed));
  const { records } = await runBenchLoad(server, {
    manifest,
    mode: { kind: "closed", concurrency: flags.numWarmups },
    ignoreEos: ignoresEos(manifest, flags),
    title: "warm-up",
  });
  requireSuccess(records);
}

function judge(run: LoadResult, manifest: RequestManifest, flags: ServingFlags): Validity {
  const exact = manifest.requests
    .filter((request) => typeof request.prompt !== "string")
    .map((request) => [request.index, request.promptTokens] as const);
  return assessValidity(run.records, {
    loop: flags.maxConcurrency === undefined ? "open" : "capped",
    requestedRate: flags.rampUpStrategy === undefined ? flags.requestRate : undefined,
    ignoreEos: ignoresEos(manifest, flags),
    warmedUp: flags.numWarmups > 0,
    exactPromptTokens: new Map(exact),
    durationMs: run.durationMs,
    conditions: run.conditions,
  });
}

function quantlabPart(
  run: LoadResult,
  manifest: RequestManifest,
  summary: Summary,
  validity: Validity,
  flags: ServingFlags,
): Record<string, unknown> {
  const { prompts, arrivals, seed, hash } = manifest;
  const isSaturated = flags.requestRate === Infinity && flags.maxConcurrency !== undefined;
  const target = isSaturated ? flags.maxConcurrency : undefined;
  return {
    requests: { prompts, arrivals, seed, hash },
    summary,
    validity,
    conditions: run.conditions,
    steadyState:
      target === undefined ? null : (steadyState(run.records, target, run.durationMs) ?? null),
  };
}

async function writeResult(
  folder: string,
  result: Record<string, unknown>,
  flags: ServingFlags,
  server: BenchServer,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rate = Number.isFinite(flags.requestRate) ? flags.requestRate : "inf";
  const cap = flags.maxConcurrency === undefined ? "" : `-concurrency${flags.maxConcurrency}`;
  const model = basename(server.modelName).replace(/[^\w.-]/g, "_");
  const name = `${flags.label ?? "openai"}-${rate}qps${cap}-${model}-${result.date}.json`;
  const path = join(folder, name);
  await writeFile(path, `${JSON.stringify(result, null, 2)}\n`);
  process.stderr.write(`result: ${path}\n`);
}

function renderServing(summary: Summary, validity: Validity, manifest: RequestManifest): string {
  const rows: [string, Distribution | undefined][] = [
    ["TTFT", summary.ttftMs],
    ["TPOT", summary.tpotMs],
    ["ITL", summary.itlMs],
    ["E2EL", summary.e2elMs],
    ["E2EL from schedule", summary.e2elFromScheduleMs],
    ["client lag", summary.clientLagMs],
  ];
  const cells = (d: Distribution | undefined) =>
    d === undefined
      ? Array(6).fill("-")
      : [d.mean, d.median, d.std, d.p90, d.p95, d.p99].map((value) => significant(value, 4));
  const table = renderTable({
    title: `${manifest.prompts}; ${manifest.arrivals}`,
    header: ["ms", "mean", "median", "std", "p90", "p95", "p99"],
    rows: rows.map(([name, distribution]) => [name, ...cells(distribution)]),
  });
  const goodput = summary.goodputRequestsPerSecond;
  return [
    table,
    `${summary.completed} completed, ${summary.failed} failed in ${formatDuration(summary.durationMs)}`,
    `${summary.totalInputTokens} prompt tokens in, ${summary.totalOutputTokens} tokens out`,
    `${significant(summary.outputTokensPerSecond, 4)} output tok/s, ${significant(summary.totalTokensPerSecond, 4)} tok/s in all, ${significant(summary.requestsPerSecond, 4)} requests/s`,
    ...(goodput === undefined ? [] : [`${significant(goodput, 4)} requests/s within the limits`]),
    ...describeValidity(validity),
    "",
  ].join("\n");
}
