/** `quantlab bench throughput`: tokens per second at fixed concurrency, a closed loop for each batch size (E1). */
import { Command } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { significant } from "../base/units.ts";
import type { RequestManifest } from "../load/request.ts";
import { summarize } from "../metrics/summary.ts";
import type { Summary } from "../metrics/summary-types.ts";
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
import { positiveInteger } from "./option-values.ts";
import { renderTable } from "./table.ts";

interface ThroughputFlags extends ServerFlags, LengthFlags {
  readonly batchSizes: readonly number[];
  readonly rounds: number;
  readonly json: boolean;
}

interface BatchResult {
  readonly batchSize: number;
  readonly summary: Summary;
  readonly validity: Validity;
  readonly requestsHash: string;
}

const example = `
Keeps N requests in flight over HTTP, so the figure holds what a client sees, prefill included.

Example:
  $ quantlab bench throughput --base-url http://127.0.0.1:8000 --batch-sizes 1,16,64 \\
      --input-len 512 --output-len 128`;

export function benchThroughputCommand(): Command {
  const command = new Command("throughput").description(
    "tokens per second of a server at fixed concurrency",
  );
  addServerFlags(command);
  return addLengthFlags(command)
    .option("--batch-sizes <list>", "requests in flight", parseBatchSizes, [1, 16, 64])
    .option("--rounds <n>", "requests per batch size, times the batch size", positiveInteger, 3)
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", example)
    .action(async (flags: ThroughputFlags) => runThroughput(flags));
}

/** "1,16,64" to numbers. @throws usage */
export function parseBatchSizes(text: string): number[] {
  const sizes = text.split(",").map(positiveInteger);
  if (new Set(sizes).size === sizes.length) return sizes;
  throw new QuantlabError("usage", `"${text}" names a batch size twice`);
}

async function runThroughput(flags: ThroughputFlags): Promise<void> {
  const server = await connect(flags);
  const warmup = await drawFixedLengths(flags, 1, 1, warmupSeed(flags.seed));
  requireSuccess((await run(server, warmup, 1, "warm-up")).records);
  const results: BatchResult[] = [];
  for (const batchSize of flags.batchSizes) results.push(await measure(server, batchSize, flags));
  if (flags.json) process.stdout.write(`${JSON.stringify(toJson(server, flags, results))}\n`);
  else process.stdout.write(render(flags, results));
}

function run(server: BenchServer, manifest: RequestManifest, concurrency: number, title: string) {
  return runBenchLoad(server, {
    manifest,
    mode: { kind: "closed", concurrency },
    ignoreEos: true,
    title,
  });
}

async function measure(
  server: BenchServer,
  batchSize: number,
  flags: ThroughputFlags,
): Promise<BatchResult> {
  const manifest = await drawFixedLengths(flags, batchSize, batchSize * flags.rounds);
  const load = await run(server, manifest, batchSize, `batch ${batchSize}`);
  const { records, durationMs, conditions } = load;
  requireSuccess(records);
  const expected = new Map(manifest.requests.map((r) => [r.index, r.promptTokens] as const));
  const validity = assessValidity(records, {
    loop: "closed",
    ignoreEos: true,
    warmedUp: true,
    exactPromptTokens: expected,
    durationMs,
    conditions,
  });
  return {
    batchSize,
    summary: summarize(records, { durationMs }),
    validity,
    requestsHash: manifest.hash,
  };
}

/** Keys of `vllm bench throughput`, whose tokens_per_second counts prompts too, and ours beside them. */
function toJson(server: BenchServer, flags: ThroughputFlags, results: readonly BatchResult[]) {
  return {
    model_id: server.modelName,
    input_len: flags.inputLen,
    output_len: flags.outputLen,
    results: results.map(({ batchSize, summary, validity, requestsHash }) => ({
      max_concurrency: batchSize,
      elapsed_time: summary.durationMs / 1e3,
      num_requests: summary.completed,
      total_num_tokens: summary.totalInputTokens + summary.totalOutputTokens,
      requests_per_second: summary.requestsPerSecond,
      tokens_per_second: summary.totalTokensPerSecond,
      output_tokens_per_second: summary.outputTokensPerSecond,
      quantlab: { summary, validity, requestsHash },
    })),
  };
}

function render(flags: ThroughputFlags, results: readonly BatchResult[]): string {
  const table = renderTable({
    title: `${flags.inputLen} tokens in, ${flags.outputLen} out, closed loop over HTTP`,
    header: ["in flight", "output tok/s", "total tok/s", "requests/s", "TPOT median ms", "valid"],
    rows: results.map(({ batchSize, summary, validity }) => [
      String(batchSize),
      significant(summary.outputTokensPerSecond, 4),
      significant(summary.totalTokensPerSecond, 4),
      significant(summary.requestsPerSecond, 4),
      summary.tpotMs === undefined ? "-" : significant(summary.tpotMs.median, 4),
      validity.valid ? "yes" : "no",
    ]),
  });
  const verdicts = results.flatMap(({ batchSize, validity }) =>
    describeValidity(validity).map((line) => `batch ${batchSize} ${line.trim()}\n`),
  );
  return `${table}${verdicts.join("")}`;
}
