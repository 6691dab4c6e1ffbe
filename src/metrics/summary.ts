/** Records of one cell to its figures; the formulas are those of definitions.ts. */
import { goodputRequestsPerSecond } from "./goodput.ts";
import { clientLagMs, e2elMs, isSuccess, itlGapsMs, tpotMs, ttftMs, wasSent } from "./latency.ts";
import { describe } from "./quantile.ts";
import type { RequestRecord } from "./record.ts";
import type { Distribution, Slo, Summary } from "./summary-types.ts";

export interface SummaryOptions {
  /** From the start of the cell to the last response, as runLoad returns it. */
  readonly durationMs: number;
  readonly slo?: Slo | undefined;
}

/** Latencies are of successful requests only; failures count in `failed` and in the duration. */
export function summarize(records: readonly RequestRecord[], options: SummaryOptions): Summary {
  const successes = records.filter(isSuccess);
  const { durationMs, slo } = options;
  const perSecond = (count: number) => (durationMs > 0 ? (count / durationMs) * 1e3 : 0);
  const totalInputTokens = sum(successes, (record) => record.promptTokens);
  const totalOutputTokens = sum(successes, (record) => record.outputTokens);
  return {
    completed: successes.length,
    failed: records.length - successes.length,
    durationMs,
    totalInputTokens,
    totalOutputTokens,
    requestsPerSecond: perSecond(successes.length),
    outputTokensPerSecond: perSecond(totalOutputTokens),
    totalTokensPerSecond: perSecond(totalInputTokens + totalOutputTokens),
    goodputRequestsPerSecond: goodputRequestsPerSecond(records, durationMs, slo),
    ttftMs: distribution(successes, ttftMs),
    tpotMs: distribution(successes, tpotMs),
    itlMs: describe(successes.flatMap(itlGapsMs)),
    e2elMs: distribution(successes, e2elMs),
    ttftFromScheduleMs: distribution(successes, fromSchedule(ttftMs)),
    e2elFromScheduleMs: distribution(successes, fromSchedule(e2elMs)),
    clientLagMs: describe(records.filter(wasSent).map(clientLagMs)),
  };
}

type Latency = (record: RequestRecord) => number | undefined;

/** Statistics over the requests that have the latency: each request weighs the same. */
function distribution(
  records: readonly RequestRecord[],
  latency: Latency,
): Distribution | undefined {
  return describe(records.map(latency).filter((value) => value !== undefined));
}

function fromSchedule(latency: Latency): Latency {
  return (record) => {
    const value = latency(record);
    return value === undefined ? undefined : value + clientLagMs(record);
  };
}

function sum(records: readonly RequestRecord[], value: (record: RequestRecord) => number): number {
  return records.reduce((total, record) => total + value(record), 0);
}
