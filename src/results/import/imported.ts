/** What a result file of another tool becomes: figures under our names, keys under vLLM's. */
import type { RequestRecord } from "../../metrics/record.ts";

export interface ImportedCell {
  /** "vllm", "guidellm" or "aiperf", with the version where the file says it. */
  readonly tool: string;
  readonly model: string;
  /** "rate-4", "rate-inf" or "concurrency-16", as far as the file says how requests were sent. */
  readonly setting: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly completed: number;
  readonly failed: number;
  /** By the names that analysis reads; those that the file does not have are left out. */
  readonly figures: Readonly<Record<string, number>>;
  /** Top-level keys of `vllm bench serve`, as far as they can be filled. */
  readonly vllm: Readonly<Record<string, unknown>>;
  /** Where the file has every request. */
  readonly records: readonly RequestRecord[];
  /** What means something else there than here. */
  readonly notes: readonly string[];
}

/** One value with its statistics, as every tool has them under other names. */
export interface Statistics {
  readonly mean?: number | undefined;
  readonly median?: number | undefined;
  readonly std?: number | undefined;
  readonly p90?: number | undefined;
  readonly p95?: number | undefined;
  readonly p99?: number | undefined;
}

export interface CommonFigures {
  readonly ttftMs?: Statistics | undefined;
  readonly tpotMs?: Statistics | undefined;
  readonly itlMs?: Statistics | undefined;
  readonly e2elMs?: Statistics | undefined;
  readonly outputTokensPerSecond?: number | undefined;
  readonly totalTokensPerSecond?: number | undefined;
  readonly requestsPerSecond?: number | undefined;
  readonly goodputRequestsPerSecond?: number | undefined;
}

/** Names of the serving experiment's figures. */
export function toFigures(
  common: CommonFigures,
  counts: { readonly completed: number; readonly failed: number },
): Record<string, number> {
  return known({
    ttftMsMedian: common.ttftMs?.median,
    ttftMsP99: common.ttftMs?.p99,
    itlMsMedian: common.itlMs?.median,
    itlMsP99: common.itlMs?.p99,
    tpotMsMedian: common.tpotMs?.median,
    e2elMsMedian: common.e2elMs?.median,
    outputTokensPerSecond: common.outputTokensPerSecond,
    requestsPerSecond: common.requestsPerSecond,
    goodputRequestsPerSecond: common.goodputRequestsPerSecond,
    ...counts,
  });
}

/** Keys of `vllm bench serve` for a tool that has other names. */
export function toVllmKeys(common: CommonFigures): Record<string, number> {
  const latencies = {
    ttft: common.ttftMs,
    tpot: common.tpotMs,
    itl: common.itlMs,
    e2el: common.e2elMs,
  };
  const rows = Object.entries(latencies).flatMap(([name, value]) =>
    Object.entries(value ?? {}).map(([statistic, ms]) => [`${statistic}_${name}_ms`, ms] as const),
  );
  return known({
    request_throughput: common.requestsPerSecond,
    output_throughput: common.outputTokensPerSecond,
    total_token_throughput: common.totalTokensPerSecond,
    request_goodput: common.goodputRequestsPerSecond,
    ...Object.fromEntries(rows),
  });
}

/** Without what is not there: nothing is stored as 0 for want of data. */
function known(values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, number] => entry[1] !== undefined && Number.isFinite(entry[1]),
    ),
  );
}

/** "concurrency-16" where a loop was closed, else the rate. */
export function settingOf(rate: number | undefined, concurrency: number | undefined): string {
  if (rate !== undefined && Number.isFinite(rate)) return `rate-${rate}`;
  return concurrency === undefined ? "rate-inf" : `concurrency-${concurrency}`;
}
