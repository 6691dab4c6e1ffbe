/** The load generator's own error: what it reads from a server whose latencies are known. */
import { PerformanceObserver } from "node:perf_hooks";
import { z } from "zod";
import { type Clock, machineOffsetMs } from "../base/clock.ts";
import { itlGapsMs, ttftMs } from "../metrics/latency.ts";
import { describe } from "../metrics/quantile.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { getJson, postJson } from "../openai/client.ts";
import { type LoadResult, runLoad } from "./generator.ts";
import { runLoadInWorkers } from "./parallel.ts";
import { activityBetween, type MachineActivity, readMachineCounters } from "./machine-activity.ts";
import { freeze } from "./manifest.ts";
import type { RequestManifest } from "./request.ts";

/** What the mock server was told to do. */
export interface KnownLatency {
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly outputTokens: number;
}

interface Spread {
  readonly mean: number;
  readonly p99: number;
  readonly max: number;
}

/** One level of concurrency. */
export interface ClientErrorFigures {
  readonly concurrency: number;
  readonly requests: number;
  readonly failed: number;
  /** Measured minus known. */
  readonly ttftErrorMs: { readonly mean: number; readonly p99: number };
  /** Where the mean comes from; the three parts add up to it. */
  readonly ttftErrorPartsMs: {
    /** From the send to the server's reading: the wire, and the server's event loop. */
    readonly toServer: number;
    /** By which the mock server was late with the first event. */
    readonly server: number;
    /** From the server's write to the client's stamp: the wire, and the client's event loop. */
    readonly toClient: number;
  };
  readonly itlMs: Spread;
  /** From the server's write of each event to the client's stamp of it; undefined if not kept. */
  readonly stampDelayMs: Spread | undefined;
  /** Each gap that the client read minus the gap between the server's two writes. */
  readonly itlErrorMs: Spread | undefined;
  /** By which the mock server wrote its events late: not the client's error. */
  readonly serverLateMs: Spread;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly clientCpuUsPerEvent: number;
  readonly serverCpuUsPerEvent: number;
  readonly gc: { readonly totalMs: number; readonly maxMs: number };
  readonly machine: MachineActivity | undefined;
}

const statsSchema = z.object({
  requests: z.number(),
  events: z.number(),
  arrivedSumMs: z.number(),
  firstWrittenSumMs: z.number(),
  lateMs: z.object({ mean: z.number(), p99: z.number(), max: z.number() }),
  cpuMs: z.number(),
});

/** By request index: when each event was written, machine ms. */
const writtenSchema = z.record(z.string(), z.array(z.number()));

/** Requests of a few token ids each, for a closed loop. */
export function selfCheckRequests(count: number, outputTokens: number): RequestManifest {
  const requests = Array.from({ length: count }, (_, index) => ({
    index,
    prompt: [index, 1, 2, 3],
    promptTokens: 4,
    maxTokens: outputTokens,
    intendedMs: 0,
  }));
  return freeze({ prompts: "4 token ids", arrivals: "closed loop", seed: 0, requests });
}

export interface SelfCheckOptions {
  /** Of a `quantlab mock-server` in another process. */
  readonly baseUrl: string;
  readonly concurrency: number;
  readonly requests: number;
  readonly known: KnownLatency;
  /** Threads of the client; 1 is the thread that asks. */
  readonly workers?: number | undefined;
  readonly busyPoll?: boolean | undefined;
  readonly clock: Clock;
}

/** Of more events the server keeps no times: an answer with them all would fill memory. */
const mostKeptEvents = 1_000_000;

/** Measures one level: a closed loop, as many requests in flight as `concurrency` says. */
export async function measureClientError(options: SelfCheckOptions): Promise<ClientErrorFigures> {
  const { baseUrl, concurrency, requests, known, workers = 1 } = options;
  const manifest = selfCheckRequests(requests, known.outputTokens);
  const keepsTimes = requests * known.outputTokens <= mostKeptEvents;
  await postJson(baseUrl, "/mock/reset", { keepTimesOf: keepsTimes ? requests : 0 });
  const gc = watchGc();
  const before = readMachineCounters();
  const cpu = process.cpuUsage();
  const load = {
    ...options,
    modelName: "mock",
    manifest,
    mode: { kind: "closed", concurrency } as const,
    ignoreEos: true,
  };
  const run = await (workers > 1 ? runLoadInWorkers(load, workers) : runLoad(load));
  const { user, system } = process.cpuUsage(cpu);
  const machine = activityBetween(before, readMachineCounters());
  const stats = statsSchema.parse(await getJson(baseUrl, "/mock/stats"));
  const written = writtenSchema.parse(await getJson(baseUrl, "/mock/times"));
  const events = run.records.reduce((sum, record) => sum + record.tokenTimesMs.length, 0);
  return {
    concurrency,
    requests,
    failed: run.records.filter((record) => record.error !== undefined).length,
    ...latencyErrors(run, known, stats),
    ...eventErrors(run, written),
    serverLateMs: stats.lateMs,
    events,
    eventsPerSecond: (events / run.durationMs) * 1e3,
    clientCpuUsPerEvent: (user + system) / events,
    serverCpuUsPerEvent: (stats.cpuMs / stats.events) * 1e3,
    gc: gc.stop(),
    machine,
  };
}

function latencyErrors(run: LoadResult, known: KnownLatency, stats: z.infer<typeof statsSchema>) {
  const successes = run.records.filter((record) => record.error === undefined);
  const errors = describe(successes.map((record) => (ttftMs(record) ?? 0) - known.ttftMs));
  const gaps = describe(successes.flatMap(itlGapsMs));
  const meanOf = (time: (record: RequestRecord) => number) =>
    successes.reduce((sum, record) => sum + time(record), 0) / successes.length;
  // Both sides in the machine's time: the sums need no pairing of requests.
  const zeroMs = run.originMs + machineOffsetMs();
  const arrivedMs = stats.arrivedSumMs / stats.requests - zeroMs;
  const writtenMs = stats.firstWrittenSumMs / stats.requests - zeroMs;
  return {
    ttftErrorMs: { mean: errors?.mean ?? Number.NaN, p99: errors?.p99 ?? Number.NaN },
    ttftErrorPartsMs: {
      toServer: arrivedMs - meanOf((record) => record.sentMs),
      server: writtenMs - arrivedMs - known.ttftMs,
      toClient: meanOf((record) => record.tokenTimesMs[0] ?? 0) - writtenMs,
    },
    itlMs: spreadOf(gaps),
  };
}

function spreadOf(found: ReturnType<typeof describe>): Spread {
  const { mean = Number.NaN, p99 = Number.NaN, max = Number.NaN } = found ?? {};
  return { mean, p99, max };
}

/** What is the client's alone, event by event: both sides stamp by the machine's clock. */
function eventErrors(run: LoadResult, written: z.infer<typeof writtenSchema>) {
  const zeroMs = run.originMs + machineOffsetMs();
  const delays: number[] = [];
  const gapErrors: number[] = [];
  for (const { index, tokenTimesMs, error } of run.records) {
    const writes = written[index];
    if (error !== undefined || writes?.length !== tokenTimesMs.length) continue;
    const late = tokenTimesMs.map((atMs, i) => zeroMs + atMs - (writes[i] ?? Number.NaN));
    for (const [i, delay] of late.entries()) {
      delays.push(delay);
      if (i > 0) gapErrors.push(delay - (late[i - 1] ?? Number.NaN));
    }
  }
  if (delays.length === 0) return { stampDelayMs: undefined, itlErrorMs: undefined };
  return {
    stampDelayMs: spreadOf(describe(delays)),
    itlErrorMs: spreadOf(describe(gapErrors)),
  };
}

/** Pauses of this thread's collector, until `stop`. */
function watchGc(): { stop(): { totalMs: number; maxMs: number } } {
  const pauses: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) pauses.push(entry.duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  return {
    stop() {
      observer.disconnect();
      return {
        totalMs: pauses.reduce((sum, each) => sum + each, 0),
        maxMs: Math.max(0, ...pauses),
      };
    },
  };
}
