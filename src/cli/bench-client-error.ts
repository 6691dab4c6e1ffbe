/** `quantlab bench client-error`: what the load generator itself adds to the latencies it reads. */
import { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { describeError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/json-lines.ts";
import { significant } from "../base/units.ts";
import {
  type ClientErrorFigures,
  type KnownLatency,
  measureClientError,
} from "../load/client-error.ts";
import { startMockProcess } from "./mock-process.ts";
import { milliseconds, positiveInteger, positiveIntegers } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { renderTable } from "./table.ts";
import { runVllmBench, type VllmFigures, vllmVersion } from "./vllm-peer.ts";

interface ClientErrorFlags {
  readonly concurrency: readonly number[];
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly outputLen: number;
  readonly rounds: number;
  readonly trials: number;
  readonly workers: number;
  readonly busyPoll: boolean;
  readonly chunksPerWrite: number;
  readonly saveLevels?: string;
  readonly vllm?: string;
  readonly json: boolean;
}

/** One level in one trial. */
interface Level {
  readonly trial: number;
  readonly ours: ClientErrorFigures;
  readonly vllm: VllmFigures | undefined;
}

const notes = `
A mock server in a process of its own answers with known latencies; whatever is read above them is
error. Its own lateness is measured too, and shown apart. With --vllm the real \`vllm bench serve\`
reads the same server in turn, level by level.

Example:
  $ quantlab bench client-error --concurrency 1,10,100,500,1000 --vllm ~/vllm/bin/vllm`;

/** With fewer a mean says little. */
const fewestRequests = 20;

export function benchClientErrorCommand(): Command {
  return new Command("client-error")
    .description("the load generator's own error, against a server with known latencies")
    .option("--concurrency <list>", "streams at once", positiveIntegers, [1, 10, 100, 500, 1000])
    .option("--ttft-ms <ms>", "known time to the first token", milliseconds, 50)
    .option("--itl-ms <ms>", "known time between tokens", milliseconds, 10)
    .option("--output-len <n>", "tokens of each answer", positiveInteger, 100)
    .option(
      "--rounds <n>",
      `answers a stream (at least ${fewestRequests} in all)`,
      positiveInteger,
      4,
    )
    .option("--trials <n>", "times the whole is repeated", positiveInteger, 1)
    .option("--workers <n>", "threads of the client", positiveInteger, 1)
    .option("--busy-poll", "the client never sleeps: costs it a core of its own", false)
    .option("--chunks-per-write <n>", "events that the server writes together", positiveInteger, 1)
    .option("--save-levels <file>", "each level as a JSON line, as soon as it is done")
    .option("--vllm <path>", "also measure this vllm executable's `bench serve`")
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", notes)
    .action(async (flags: ClientErrorFlags) => runClientError(flags));
}

async function runClientError(flags: ClientErrorFlags): Promise<void> {
  const known = { ttftMs: flags.ttftMs, itlMs: flags.itlMs, outputTokens: flags.outputLen };
  const version = flags.vllm === undefined ? undefined : await vllmVersion(flags.vllm);
  const writer =
    flags.saveLevels === undefined ? undefined : await JsonLinesWriter.open(flags.saveLevels, "w");
  const progress = new Progress();
  const mock = await startMockProcess([
    ...["--ttft-ms", String(known.ttftMs), "--itl-ms", String(known.itlMs)],
    ...["--chunks-per-write", String(flags.chunksPerWrite)],
  ]);
  const levels: Level[] = [];
  try {
    await warmUp(mock.baseUrl, known);
    for (let trial = 1; trial <= flags.trials; trial++) {
      for (const concurrency of flags.concurrency) {
        progress.event(`trial ${trial}, ${concurrency} streams`);
        const level = await measureLevel(flags, known, mock.baseUrl, concurrency, trial);
        levels.push(level);
        await writer?.append(level);
      }
    }
  } finally {
    mock.stop();
    progress.end();
    await writer?.close();
  }
  const result = { known, vllmVersion: version ?? null, levels };
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : render(levels, known, version));
}

/** Both sides' code is compiled by the time the first level is timed. */
async function warmUp(baseUrl: string, known: KnownLatency): Promise<void> {
  const short = { ...known, outputTokens: 20 };
  await measureClientError({
    ...{ baseUrl, concurrency: 50, requests: 400, known: short, clock: systemClock },
  });
}

async function measureLevel(
  flags: ClientErrorFlags,
  known: KnownLatency,
  baseUrl: string,
  concurrency: number,
  trial: number,
): Promise<Level> {
  const requests = Math.max(fewestRequests, flags.rounds * concurrency);
  const { workers, busyPoll } = flags;
  const ours = await measureClientError({
    ...{ baseUrl, concurrency, requests, known, workers, busyPoll, clock: systemClock },
  });
  if (flags.vllm === undefined) return { trial, ours, vllm: undefined };
  const line = JSON.stringify({ prompt: "one two three", output_tokens: known.outputTokens });
  const peer = runVllmBench({
    executable: flags.vllm,
    baseUrl,
    modelName: "mock",
    prompts: `${line}\n`.repeat(requests),
    count: requests,
    maxConcurrency: concurrency,
    ignoreEos: true,
  });
  // Its failure must not cost what we have measured.
  const vllm = await peer.catch((error: unknown) => {
    process.stderr.write(`quantlab: ${describeError(error)}\n`);
    return undefined;
  });
  return { trial, ours, vllm };
}

function render(
  levels: readonly Level[],
  known: KnownLatency,
  version: string | undefined,
): string {
  const ms = (value: number) => value.toFixed(2);
  const latency = renderTable({
    title: `error of the client in ms; known: TTFT ${known.ttftMs}, ITL ${known.itlMs}, ${known.outputTokens} tokens`,
    header: [
      ...["streams", "TTFT error mean", "of it: to server", "server late", "to client"],
      ...["ITL mean", "ITL p99", "server's p99 lateness", "p99 of write to stamp"],
      ...["ITL p99 against the writes", "failed"],
    ],
    rows: levels.map(({ ours }) => [
      String(ours.concurrency),
      ms(ours.ttftErrorMs.mean),
      ms(ours.ttftErrorPartsMs.toServer),
      ms(ours.ttftErrorPartsMs.server),
      ms(ours.ttftErrorPartsMs.toClient),
      ms(ours.itlMs.mean),
      ms(ours.itlMs.p99),
      ms(ours.serverLateMs.p99),
      ours.stampDelayMs === undefined ? "-" : ms(ours.stampDelayMs.p99),
      ours.itlErrorMs === undefined ? "-" : `+${ms(ours.itlErrorMs.p99)}`,
      String(ours.failed),
    ]),
  });
  return `${latency}\n${renderCost(levels)}${renderVllm(levels, known, version)}`;
}

function renderCost(levels: readonly Level[]): string {
  return renderTable({
    title: "what it cost, and what else the machine did meanwhile",
    header: [
      ...["streams", "events/s", "client CPU us/event", "server CPU us/event", "GC longest ms"],
      ...["machine busy %", "stolen %", "throttled ms", "load average"],
    ],
    rows: levels.map(({ ours }) => [
      String(ours.concurrency),
      significant(ours.eventsPerSecond, 4),
      significant(ours.clientCpuUsPerEvent, 3),
      significant(ours.serverCpuUsPerEvent, 3),
      ours.gc.maxMs.toFixed(1),
      ours.machine === undefined ? "-" : (ours.machine.busyShare * 100).toFixed(0),
      ours.machine === undefined ? "-" : (ours.machine.stealShare * 100).toFixed(1),
      ours.machine === undefined ? "-" : ours.machine.throttledMs.toFixed(0),
      ours.machine === undefined ? "-" : ours.machine.loadAverage.toFixed(1),
    ]),
  });
}

function renderVllm(
  levels: readonly Level[],
  known: KnownLatency,
  version: string | undefined,
): string {
  const rows = levels.flatMap(({ ours, vllm }) =>
    vllm === undefined
      ? []
      : [
          [
            String(ours.concurrency),
            ours.ttftErrorMs.mean.toFixed(2),
            (vllm.mean_ttft_ms - known.ttftMs).toFixed(2),
            ours.itlMs.p99.toFixed(2),
            vllm.p99_itl_ms.toFixed(2),
            ours.itlMs.mean.toFixed(2),
            vllm.mean_itl_ms.toFixed(2),
          ],
        ],
  );
  if (rows.length === 0) return "";
  const table = renderTable({
    title: `beside vllm bench serve ${version ?? ""}, same server, in turn; ms`,
    header: [
      ...["streams", "TTFT error ours", "vLLM", "ITL p99 ours", "vLLM", "ITL mean ours", "vLLM"],
    ],
    rows,
  });
  return `\n${table}`;
}
