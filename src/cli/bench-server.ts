/** What every `bench` command asks of the server under test, and how it runs a load against it. */
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { formatDuration, significant } from "../base/units.ts";
import { closed } from "../load/arrivals/closed.ts";
import { drawRequests } from "../load/draw.ts";
import { type LoadMode, type LoadProgress, type LoadResult, runLoad } from "../load/generator.ts";
import { runLoadInWorkers } from "../load/parallel.ts";
import { promptSourceOf } from "../load/prompts/registry.ts";
import type { RequestManifest } from "../load/request.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { waitUntilReady } from "../openai/client.ts";
import { positiveInteger, positiveNumber, wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";

/** Flags that say which server is measured. */
export interface ServerFlags {
  readonly baseUrl: string;
  readonly model?: string;
  readonly apiKey?: string;
  readonly readyTimeout: number;
}

/** A server that has answered. */
export interface BenchServer {
  readonly baseUrl: string;
  readonly modelName: string;
  readonly apiKey: string | undefined;
}

export interface BenchLoad {
  readonly manifest: RequestManifest;
  readonly mode: LoadMode;
  readonly ignoreEos: boolean;
  /** What is being run, for the progress bar. */
  readonly title: string;
  readonly keepText?: boolean;
  /** Threads that send and stamp; default 1. */
  readonly workers?: number;
  readonly busyPoll?: boolean;
  readonly onRecord?: (record: RequestRecord) => void | Promise<void>;
}

/** Adds the flags of ServerFlags. */
export function addServerFlags(command: Command): Command {
  return command
    .requiredOption("--base-url <url>", "address of an OpenAI-compatible server")
    .option("--model <name>", "model name to ask for (default: the first that the server lists)")
    .option("--api-key <key>", "sent as a bearer token", process.env.OPENAI_API_KEY)
    .option("--ready-timeout <seconds>", "wait this long for the server", positiveNumber, 10);
}

/** Waits until the server answers. @throws target-failed */
export async function connect(flags: ServerFlags): Promise<BenchServer> {
  const models = await waitUntilReady(flags.baseUrl, {
    apiKey: flags.apiKey,
    timeoutMs: flags.readyTimeout * 1e3,
    clock: systemClock,
  });
  const modelName = flags.model ?? models[0];
  if (modelName === undefined) {
    throw new QuantlabError("target-failed", `${flags.baseUrl} lists no model`, {
      hint: "give --model with the name that the server expects",
    });
  }
  return { baseUrl: flags.baseUrl, modelName, apiKey: flags.apiKey };
}

/** Runs a load with progress on stderr. @throws interrupted on SIGINT or SIGTERM */
export async function runBenchLoad(server: BenchServer, load: BenchLoad): Promise<LoadResult> {
  const progress = new Progress();
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort("interrupted by the user");
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    const options = {
      ...server,
      ...load,
      clock: systemClock,
      signal: interrupt.signal,
      onProgress: ({ done, total, failed, outputTokens, elapsedMs }: LoadProgress) => {
        const rate = significant((outputTokens / elapsedMs) * 1e3, 3);
        const failures = failed === 0 ? "" : `, ${failed} failed`;
        progress.bar({
          fraction: done / total,
          leftMs: done === 0 ? undefined : (elapsedMs / done) * (total - done),
          text: `${load.title}: ${done}/${total} requests${failures}, ${rate} tok/s`,
        });
      },
    };
    const { workers = 1 } = load;
    const result = await (workers > 1 ? runLoadInWorkers(options, workers) : runLoad(options));
    if (interrupt.signal.aborted) {
      throw new QuantlabError("interrupted", "interrupted by the user; nothing was written");
    }
    progress.event(`${load.title}: done in ${formatDuration(result.durationMs)}`);
    return result;
  } finally {
    progress.end();
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  }
}

/** Far from any seed that people give: a repeated prompt would be found in a prefix cache. */
const warmupStream = 2 ** 33;

/** The seed of a warm-up's prompts. */
export function warmupSeed(seed: number): number {
  return seed + warmupStream;
}

/** Flags of the commands whose prompts all have one length. */
export interface LengthFlags {
  readonly inputLen: number;
  readonly outputLen: number;
  readonly vocabSize?: number;
  readonly seed: number;
}

/** Adds the flags of LengthFlags. */
export function addLengthFlags(command: Command): Command {
  return command
    .option("--input-len <n>", "prompt tokens", positiveInteger, 512)
    .option("--output-len <n>", "answer tokens", positiveInteger, 128)
    .option("--vocab-size <n>", "draw token ids below n", positiveInteger)
    .option("--seed <n>", "of the prompts", wholeNumber, 0);
}

/** Requests of random ids for a closed loop. */
export function drawFixedLengths(
  flags: LengthFlags,
  concurrency: number,
  count: number,
  seed: number = flags.seed,
): Promise<RequestManifest> {
  const prompts = promptSourceOf("random", {
    ...flags,
    vocabSize: flags.vocabSize,
    rangeRatio: 0,
    lengthScale: 1,
    countTokens: undefined,
  });
  return drawRequests({ prompts, arrivals: closed(concurrency), count, seed });
}

/** Fails a command whose every request failed. @throws target-failed */
export function requireSuccess(records: readonly RequestRecord[]): void {
  const failed = records.filter((record) => record.error !== undefined);
  const first = failed[0]?.error;
  if (first === undefined || failed.length < records.length) return;
  throw new QuantlabError(
    "target-failed",
    `all ${failed.length} requests failed; the first: ${first.message}`,
    { hint: "look at the server's log" },
  );
}
