/** The latencies of one request, each as `vllm bench serve` defines it. */
import type { RequestRecord } from "./record.ts";

/** A request that ended without error and produced at least one output event. */
export function isSuccess(record: RequestRecord): boolean {
  return record.error === undefined && record.tokenTimesMs.length > 0;
}

/** False for a request that was given up before it was handed to a socket. */
export function wasSent(record: RequestRecord): boolean {
  return record.error?.code !== "not-sent";
}

/** First output event minus send; undefined without output. */
export function ttftMs(record: RequestRecord): number | undefined {
  const first = record.tokenTimesMs[0];
  return first === undefined ? undefined : first - record.sentMs;
}

/** Last output event minus send: a trailing usage-only event does not move it. */
export function e2elMs(record: RequestRecord): number | undefined {
  const last = record.tokenTimesMs.at(-1);
  return last === undefined ? undefined : last - record.sentMs;
}

/** (E2EL - TTFT) / (output tokens - 1); undefined for fewer than two tokens. */
export function tpotMs(record: RequestRecord): number | undefined {
  const first = record.tokenTimesMs[0];
  const last = record.tokenTimesMs.at(-1);
  if (first === undefined || last === undefined || record.outputTokens < 2) return undefined;
  return (last - first) / (record.outputTokens - 1);
}

/** Gaps between consecutive output events; a chunk of several tokens makes one gap. */
export function itlGapsMs(record: RequestRecord): number[] {
  const times = record.tokenTimesMs;
  return times.slice(1).map((time, i) => time - (times[i] as number));
}

/** What waiting between the intended and the real send adds. */
export function clientLagMs(record: RequestRecord): number {
  return record.sentMs - record.intendedMs;
}
