/** Goodput: how many requests met every latency limit. */
import { e2elMs, isSuccess, tpotMs, ttftMs } from "./latency.ts";
import type { RequestRecord } from "./record.ts";
import type { Slo } from "./summary-types.ts";

function within(value: number | undefined, limit: number | undefined): boolean {
  return limit === undefined || (value !== undefined && value <= limit);
}

/** Whether a success met every limit; TPOT of a one-token answer counts as 0, as in vLLM. */
export function isGood(record: RequestRecord, slo: Slo): boolean {
  return (
    isSuccess(record) &&
    within(ttftMs(record), slo.ttft) &&
    within(tpotMs(record) ?? 0, slo.tpot) &&
    within(e2elMs(record), slo.e2el)
  );
}

/** Good requests per second; undefined when no limit is given. */
export function goodputRequestsPerSecond(
  records: readonly RequestRecord[],
  durationMs: number,
  slo: Slo | undefined,
): number | undefined {
  const limits = [slo?.ttft, slo?.tpot, slo?.e2el];
  if (slo === undefined || limits.every((limit) => limit === undefined)) return undefined;
  const good = records.filter((record) => isGood(record, slo)).length;
  return durationMs > 0 ? (good / durationMs) * 1e3 : 0;
}
