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
  /** sentMs - intendedMs: the client's own lateness. */
  readonly clientLagMs: Distribution | undefined;
}
