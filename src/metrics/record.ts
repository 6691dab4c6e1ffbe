/** What happened to one request: the raw material of every latency figure. */

/**
 * Times are milliseconds on the load generator's monotonic clock, zero at the start of the cell.
 * `tokenTimesMs[i]` is when chunk i arrived; `chunkTokens[i]`, where the server says so, how many
 * tokens it carried.
 */
export interface RequestRecord {
  readonly index: number;
  /** When the arrival process wanted it sent. */
  readonly intendedMs: number;
  /** When it was handed to the socket. */
  readonly sentMs: number;
  /** First byte of the response, headers included; undefined if none came. */
  readonly firstByteMs: number | undefined;
  /** Arrival of each event that carries output (a non-empty choices list). */
  readonly tokenTimesMs: readonly number[];
  /** As long as tokenTimesMs; absent when the server does not count tokens per chunk. */
  readonly chunkTokens?: readonly number[];
  /** When the stream closed or failed. */
  readonly doneMs: number;
  readonly promptTokens: number;
  /** Prompt tokens that the server says it had in its prefix cache; absent when it does not say. */
  readonly cachedPromptTokens?: number;
  /** From usage where given, else the number of chunks. */
  readonly outputTokens: number;
  readonly outputTokensSource: "usage" | "chunks";
  readonly requestedOutputTokens: number;
  readonly finishReason: string | undefined;
  /** undefined for a success; code "not-sent" marks a request that was never tried. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Generated text, when asked to keep it. */
  readonly text?: string;
}
