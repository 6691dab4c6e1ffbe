/** `quantlab bench latency`: milliseconds per token of one request at a time, streamed (E2). */
import { Command } from "commander";
import { significant } from "../base/units.ts";
import type { RequestManifest } from "../load/request.ts";
import { e2elMs } from "../metrics/latency.ts";
import { describe, quantile } from "../metrics/quantile.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { summarize } from "../metrics/summary.ts";
import type { Distribution, Summary } from "../metrics/summary-types.ts";
import { assessValidity, describeValidity, type Validity } from "../metrics/validity.ts";
import {
  addLengthFlags,
  addServerFlags,
  type BenchServer,
  connect,
  drawFixedLengths,
  type LengthFlags,
  requireSuccess,
  runBenchLoad,
  type ServerFlags,
  warmupSeed,
} from "./bench-server.ts";
import { positiveInteger, wholeNumber } from "./option-values.ts";
import { renderTable } from "./table.ts";

interface LatencyFlags extends ServerFlags, LengthFlags {
  readonly numIters: number;
  readonly numItersWarmup: number;
  readonly json: boolean;
}

const example = `
ms per token is TPOT: (last token - first token) / (tokens - 1) of each answer, prefill left out.

Example:
  $ quantlab bench latency --base-url http://127.0.0.1:8000 --input-len 512 --output-len 128`;

export function benchLatencyCommand(): Command {
  const command = new Command("latency").description(
    "milliseconds per token of a server at batch 1",
  );
  addServerFlags(command);
  return addLengthFlags(command)
    .option("--num-iters <n>", "measured requests", positiveInteger, 30)
    .option("--num-iters-warmup <n>", "requests before them", wholeNumber, 10)
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", example)
    .action(async (flags: LatencyFlags) => runLatency(flags));
}

async function runLatency(flags: LatencyFlags): Promise<void> {
  const server = await connect(flags);
  if (flags.numItersWarmup > 0) {
    const warmup = await drawFixedLengths(flags, 1, flags.numItersWarmup, warmupSeed(flags.seed));
    requireSuccess((await run(server, warmup, "warm-up")).records);
  }
  const manifest = await drawFixedLengths(flags, 1, flags.numIters);
  const { records, durationMs, conditions } = await run(server, manifest, "batch 1");
  requireSuccess(records);
  const summary = summarize(records, { durationMs });
  const validity = assessValidity(records, {
    loop: "closed",
    ignoreEos: true,
    warmedUp: flags.numItersWarmup > 0,
    exactPromptTokens: new Map(manifest.requests.map((r) => [r.index, r.promptTokens] as const)),
    durationMs,
    conditions,
  });
  const { hash } = manifest;
  const result = { ...toVllmLatency(records), quantlab: { summary, validity, requestsHash: hash } };
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(render(flags, summary, validity));
}

function run(server: BenchServer, manifest: RequestManifest, title: string) {
  const mode = { kind: "closed", concurrency: 1 } as const;
  return runBenchLoad(server, { manifest, mode, ignoreEos: true, title });
}

/** Keys of `vllm bench latency`: seconds of whole answers, here measured over HTTP. */
function toVllmLatency(records: readonly RequestRecord[]): Record<string, unknown> {
  const latencies = records.flatMap((record) => {
    const latencyMs = record.error === undefined ? e2elMs(record) : undefined;
    return latencyMs === undefined ? [] : [latencyMs / 1e3];
  });
  const statistics = describe(latencies);
  const percentiles = [10, 25, 50, 75, 90, 99].map((p) => [p, quantile(latencies, p / 100)]);
  return {
    avg_latency: statistics?.mean,
    std_latency: statistics?.std,
    latencies,
    percentiles: Object.fromEntries(percentiles),
  };
}

function render(flags: LatencyFlags, summary: Summary, validity: Validity): string {
  const row = (name: string, d: Distribution | undefined) => [
    name,
    ...(d === undefined
      ? Array(5).fill("-")
      : [d.median, d.mean, d.std, d.p90, d.p99].map((value) => significant(value, 4))),
  ];
  const table = renderTable({
    title: `batch 1, ${flags.inputLen} tokens in, ${flags.outputLen} out, ${summary.completed} requests`,
    header: ["ms", "median", "mean", "std", "p90", "p99"],
    rows: [
      row("per token (TPOT)", summary.tpotMs),
      row("between chunks (ITL)", summary.itlMs),
      row("TTFT", summary.ttftMs),
      row("whole answer (E2EL)", summary.e2elMs),
    ],
  });
  const median = summary.tpotMs?.median;
  const rate = median === undefined ? "" : `${significant(1e3 / median, 4)} tok/s at the median\n`;
  return `${table}${rate}${describeValidity(validity).join("\n")}\n`;
}
