/** One request's state while it waits and runs; it decides nothing. */
import { Random } from "../base/random.ts";
import type { EngineRequest, FinishReason, SamplingParams, TokenLogprobs } from "./events.ts";

export class Sequence {
  readonly id: string;
  readonly params: SamplingParams;
  readonly promptLength: number;
  /** Prompt, then what was generated. */
  readonly tokenIds: number[];
  /** This request's own random stream: what else runs beside it cannot change its tokens. */
  readonly random: Random;
  /** Physical block of each block of the context, in order. */
  blockTable: number[] = [];
  /** Leading tokens whose keys and values are in the cache. */
  computed = 0;
  /** Digest of the tokens up to the end of each full block; kept by the prefix cache. */
  readonly blockKeys: string[] = [];
  /** Whether it has run before: true once it was first admitted. */
  admitted = false;
  /** Prompt tokens that its first admission found in the cache. */
  cachedTokens = 0;
  /** Of prompt tokens 1 and up, as far as the prompt has been run; kept through a preemption. */
  readonly promptLogprobs: TokenLogprobs[] = [];

  /** @param seed of the request's random stream */
  constructor(request: EngineRequest, seed: number) {
    this.id = request.id;
    this.params = request.params;
    this.promptLength = request.promptTokenIds.length;
    this.tokenIds = [...request.promptTokenIds];
    this.random = new Random(seed);
  }

  get length(): number {
    return this.tokenIds.length;
  }

  get generated(): number {
    return this.tokenIds.length - this.promptLength;
  }

  /** Tokens still to be run: 1 in decode, more in prefill and in recomputation after preemption. */
  get remaining(): number {
    return this.tokenIds.length - this.computed;
  }

  get decoding(): boolean {
    return this.remaining === 1 && this.generated > 0;
  }

  /** Whether the logits of the row at `position` are wanted for the prompt token after it. */
  wantsPromptLogprobs(position: number): boolean {
    return (
      this.params.promptLogprobs !== undefined &&
      position < this.promptLength - 1 &&
      position >= this.promptLogprobs.length
    );
  }

  /** Takes a sampled token and says whether it is the last one. */
  append(tokenId: number, eosTokenIds: ReadonlySet<number>): FinishReason | undefined {
    this.tokenIds.push(tokenId);
    const { minTokens, maxTokens, ignoreEos, stopTokenIds } = this.params;
    if (this.generated >= minTokens) {
      if (!ignoreEos && eosTokenIds.has(tokenId)) return "stop";
      if (stopTokenIds.includes(tokenId)) return "stop";
    }
    return this.generated >= maxTokens ? "length" : undefined;
  }
}
