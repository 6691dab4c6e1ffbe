/** What holds over a part of a cell: requests in flight, peaks, and the steady-state window. */
import { isSuccess, tpotMs, ttftMs, wasSent } from "./latency.ts";
import { describe } from "./quantile.ts";
import type { RequestRecord } from "./record.ts";
import type { Distribution } from "./summary-types.ts";

/** Figures of the time in which the load was at its intended level: no ramp, no drain. */
export interface SteadyState {
  readonly startMs: number;
  readonly endMs: number;
  readonly targetConcurrency: number;
  readonly peakConcurrency: number;
  readonly requestsStarted: number;
  readonly requestsCompleted: number;
  readonly requestsPerSecond: number;
  /** Tokens counted by when their chunk arrived. */
  readonly outputTokensPerSecond: number;
  /** Of the successful requests that were sent within the window. */
  readonly ttftMs: Distribution | undefined;
  readonly tpotMs: Distribution | undefined;
  /** Set when the window is too short to stand for the cell. */
  readonly warning: string | undefined;
}

interface Step {
  readonly atMs: number;
  readonly inFlight: number;
}

/** Requests in flight after each change; a departure counts before an arrival at the same time. */
function inFlightSteps(records: readonly RequestRecord[]): Step[] {
  const changes = records.filter(wasSent).flatMap((record) => [
    { atMs: record.sentMs, change: 1 },
    { atMs: record.doneMs, change: -1 },
  ]);
  changes.sort((a, b) => a.atMs - b.atMs || a.change - b.change);
  let inFlight = 0;
  return changes.map(({ atMs, change }) => {
    inFlight += change;
    return { atMs, inFlight };
  });
}

/** The most requests that were in flight at once: an exact sweep, so it never exceeds a cap. */
export function peakConcurrency(records: readonly RequestRecord[]): number {
  return inFlightSteps(records).reduce((peak, step) => Math.max(peak, step.inFlight), 0);
}

/** Most output events in one of the 1 s buckets counted from the first send; 0 without output. */
export function peakEventsPerSecond(records: readonly RequestRecord[]): number {
  const successes = records.filter(isSuccess);
  const originMs = successes.reduce((first, r) => Math.min(first, r.sentMs), Infinity);
  const buckets = new Map<number, number>();
  for (const record of successes) {
    for (const time of record.tokenTimesMs) {
      const bucket = Math.floor((time - originMs) / 1e3);
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    }
  }
  return [...buckets.values()].reduce((most, count) => Math.max(most, count), 0);
}

/** Share of the target concurrency at which the load counts as steady, as in vLLM's Rust client. */
const steadyShare = 0.95;

/**
 * The window from the first time that at least 95 % of `targetConcurrency` requests are in flight
 * until the last time it falls below; undefined when that load is never reached.
 */
export function steadyState(
  records: readonly RequestRecord[],
  targetConcurrency: number,
  durationMs: number,
): SteadyState | undefined {
  const steps = inFlightSteps(records);
  const threshold = Math.ceil(steadyShare * targetConcurrency);
  const first = steps.findIndex((step) => step.inFlight >= threshold);
  const last = steps.findLastIndex((step) => step.inFlight >= threshold);
  const startMs = steps[first]?.atMs;
  const endMs = steps[last + 1]?.atMs;
  if (startMs === undefined || endMs === undefined || endMs <= startMs) return undefined;
  return {
    startMs,
    endMs,
    targetConcurrency,
    peakConcurrency: steps.reduce((peak, step) => Math.max(peak, step.inFlight), 0),
    ...figuresWithin(records, startMs, endMs),
    warning: shortness(endMs - startMs, durationMs),
  };
}

function figuresWithin(records: readonly RequestRecord[], startMs: number, endMs: number) {
  const inside = (time: number) => time >= startMs && time < endMs;
  const successes = records.filter(isSuccess);
  const started = successes.filter((record) => inside(record.sentMs));
  const completed = successes.filter((record) => inside(record.doneMs)).length;
  let tokens = 0;
  for (const record of successes) {
    // Where the server does not count per chunk, its total is spread evenly over the chunks.
    const perChunk = record.outputTokens / record.tokenTimesMs.length;
    record.tokenTimesMs.forEach((time, i) => {
      if (inside(time)) tokens += record.chunkTokens?.[i] ?? perChunk;
    });
  }
  const seconds = (endMs - startMs) / 1e3;
  return {
    requestsStarted: started.length,
    requestsCompleted: completed,
    requestsPerSecond: completed / seconds,
    outputTokensPerSecond: tokens / seconds,
    ttftMs: describe(started.map(ttftMs).filter((value) => value !== undefined)),
    tpotMs: describe(started.map(tpotMs).filter((value) => value !== undefined)),
  };
}

function shortness(windowMs: number, durationMs: number): string | undefined {
  const neededMs = Math.max(10_000, 0.1 * durationMs);
  if (windowMs >= neededMs) return undefined;
  return `the steady state lasted ${(windowMs / 1e3).toFixed(1)} s; ${(neededMs / 1e3).toFixed(1)} s are needed to stand for the cell`;
}
