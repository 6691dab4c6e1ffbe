/** A frozen request and the manifest of them: drawn once, replayed for every format. */

export interface FrozenRequest {
  readonly index: number;
  /** Token ids, or text where the target tokenizes for itself. */
  readonly prompt: string | readonly number[];
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** Offset from the start of the cell at which it should be sent; 0 for all in a closed loop. */
  readonly intendedMs: number;
}

export interface RequestManifest {
  /** Prompt source with its parameters, for people. */
  readonly prompts: string;
  /** Arrival process with its parameters, for people. */
  readonly arrivals: string;
  readonly seed: number;
  readonly requests: readonly FrozenRequest[];
  /** SHA-256 over the canonical JSON of everything above. */
  readonly hash: string;
}
