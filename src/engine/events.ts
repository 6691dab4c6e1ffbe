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
  /** Absent in most requests, whose logits then never leave native memory. */
  readonly changes?: LogitChanges;
  /** Reports each token's logprob and those of this many most likely tokens; 0 is the token alone. */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt. */
  readonly promptLogprobs?: number;
}

/** What is done to the logits before a token is drawn; neutral values do nothing. */
export interface LogitChanges {
  /** Added, by token id. */
  readonly bias: readonly (readonly [tokenId: number, bias: number])[];
  /** Divides positive logits, multiplies negative ones, of tokens in prompt or answer; 1 is off. */
  readonly repetitionPenalty: number;
  /** Subtracted times the token's count in the answer; 0 is off. */
  readonly frequencyPenalty: number;
  /** Subtracted where the token is in the answer; 0 is off. */
  readonly presencePenalty: number;
  /** Least probability as a share of the highest; 0 is off. */
  readonly minP: number;
}

/** How likely the model held one token, before any change of the logits. */
export interface TokenLogprobs {
  readonly logprob: number;
  /** 1 for the most likely token of the vocabulary. */
  readonly rank: number;
  /** The most likely tokens, as many as were asked for, most likely first. */
  readonly top: readonly (readonly [tokenId: number, logprob: number])[];
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
  /** Where the request asked for them. */
  readonly logprobs?: TokenLogprobs;
  /** Of prompt tokens 1 and up (the first follows nothing); with the first event, where asked for. */
  readonly promptLogprobs?: readonly TokenLogprobs[];
  /** Prompt tokens that were found in the cache; with the first event, where there were any. */
  readonly cachedTokens?: number;
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
  /** Prompt tokens looked for in the prefix cache, and those found; 0 where it is off. */
  readonly prefixQueriedTokens: number;
  readonly prefixHitTokens: number;
}
