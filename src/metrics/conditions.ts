/** Under what conditions a cell was measured, as far as the load generator can see them. */

export interface LoadConditions {
  /**
   * How late the client's event loop was, by a timer that looked every few milliseconds: what a
   * stamp may be wrong by. An estimate of the client's error in every latency.
   */
  readonly clientDelayMs: { readonly mean: number; readonly p99: number; readonly max: number };
  /** Of the client's machine; undefined where the system does not say. */
  readonly machine:
    | {
        readonly cores: number;
        /** Share of all cores' time, 0 to 1. */
        readonly busyShare: number;
        /** Time that the hypervisor gave to others, as a share. */
        readonly stealShare: number;
        /** Time for which a CPU quota held the client back. */
        readonly throttledMs: number;
        readonly loadAverage: number;
      }
    | undefined;
  /** Prompt tokens that the server took from its prefix cache; undefined where it does not say. */
  readonly prefixCacheHitTokens: number | undefined;
}
