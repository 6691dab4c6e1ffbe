/** What an engine step reports: one event per token produced, in the order of production. */

export type FinishReason = "stop" | "length" | "abort";

/** Sampling and stopping of one request, defaults filled in. */
export interface SamplingParams {
  readonly maxTokens: number;
  /** End-of-sequence tokens and stop token ids are ignored before this many tokens. */
  readonly minTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  /** Own random stream; undefined derives one from the engine's seed and the request's order. */
  readonly seed: number | undefined;
  readonly ignoreEos: boolean;
  readonly stopTokenIds: readonly number[];
}

/** A request as the engine takes it. */
export interface EngineRequest {
  readonly id: string;
  readonly promptTokenIds: readonly number[];
  readonly params: SamplingParams;
}

/** One token of one sequence; the last has a finish reason. */
export interface TokenEvent {
  readonly id: string;
  /** undefined when the sequence ended without a token (aborted). */
  readonly tokenId: number | undefined;
  /** Tokens produced so far, this one included. */
  readonly index: number;
  /** Monotonic milliseconds at the end of the step. */
  readonly atMs: number;
  readonly finishReason: FinishReason | undefined;
}

/** Counters of an engine, for /metrics, /quantlab/facts and tests. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly blocksTotal: number;
  readonly blocksUsed: number;
  readonly blockSize: number;
  readonly steps: number;
  readonly preemptions: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Milliseconds spent in steps, and of those in model.forward. */
  readonly stepMs: number;
  readonly forwardMs: number;
}
