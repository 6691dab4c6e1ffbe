/** The shape of a cell's summary; computed by summary.ts, stored by results/, shown by report/. */

/** Exact statistics of one list of numbers; percentiles as numpy's linear interpolation (type 7). */
export interface Distribution {
  readonly n: number;
  readonly mean: number;
  readonly median: number;
  /** Population standard deviation, as numpy's default. */
  readonly std: number;
  readonly min: number;
  readonly max: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
}

/** All the figures of one load run. A distribution is undefined when no request qualifies. */
export interface Summary {
  readonly completed: number;
  readonly failed: number;
  /** From the start of the cell to the last response. */
  readonly durationMs: number;
  readonly totalInputTokens: number;
  readonly totalOutputTokens: number;
  readonly requestsPerSecond: number;
  readonly outputTokensPerSecond: number;
  readonly totalTokensPerSecond: number;
  /** Requests per second that met every limit; undefined without limits. */
  readonly goodputRequestsPerSecond: number | undefined;
  readonly ttftMs: Distribution | undefined;
  readonly tpotMs: Distribution | undefined;
  readonly itlMs: Distribution | undefined;
  readonly e2elMs: Distribution | undefined;
  /** TTFT and E2EL counted from the intended time, so that waiting in the client is not hidden. */
  readonly ttftFromScheduleMs: Distribution | undefined;
  readonly e2elFromScheduleMs: Distribution | undefined;
  /** sentMs - intendedMs: the client's own lateness, or its queue where a cap holds requests back. */
  readonly clientLagMs: Distribution | undefined;
}

/** Limits in ms, each optional; a request is good when it meets every one given. */
export interface Slo {
  readonly ttft?: number | undefined;
  readonly tpot?: number | undefined;
  readonly e2el?: number | undefined;
}
