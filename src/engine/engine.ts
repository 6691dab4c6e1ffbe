/** The engine: step() schedules, runs, samples and finishes. Synchronous, deterministic, no promises. */
import type { Clock } from "../base/clock.ts";
import { assert, QuantlabError } from "../base/errors.ts";
import type { Model } from "../model/model.ts";
import { BlockPool } from "./block-pool.ts";
import type { EngineRequest, EngineStats, TokenEvent } from "./events.ts";
import { checkLimits, checkRequest, type EngineLimits } from "./limits.ts";
import { logprobsOf } from "./logprobs.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { type RunnerResult, runBatch } from "./runner.ts";
import { type Sampled, sampleToken, streamSeed } from "./sampler.ts";
import { Scheduler } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";

export interface EngineSettings {
  /** Keeps the keys and values of finished prompts and takes them for equal beginnings. */
  readonly prefixCaching?: boolean | undefined;
}

export class Engine {
  readonly limits: EngineLimits;
  readonly #model: Model;
  readonly #clock: Clock;
  readonly #seed: number;
  readonly #eosTokenIds: ReadonlySet<number>;
  readonly #pool: BlockPool;
  readonly #prefixes: PrefixCache | undefined;
  readonly #scheduler: Scheduler;
  readonly #sequences = new Map<string, Sequence>();
  #order = 0;
  #steps = 0;
  #promptTokens = 0;
  #generatedTokens = 0;
  #stepMs = 0;
  #forwardMs = 0;

  /**
   * Allocates the model's KV cache; the model then belongs to this engine.
   * @param seed of the random streams of requests that bring none
   * @throws usage when the limits contradict each other or the model
   */
  constructor(
    model: Model,
    limits: EngineLimits,
    seed: number,
    clock: Clock,
    options: EngineSettings = {},
  ) {
    checkLimits(limits);
    assert(limits.maxNumBatchedTokens <= model.maxBatchTokens, "a step fits the model's buffers");
    this.limits = limits;
    this.#model = model;
    this.#clock = clock;
    this.#seed = seed;
    this.#eosTokenIds = new Set(model.config.eosTokenIds);
    this.#pool = new BlockPool(limits.blocks, limits.blockSize);
    this.#prefixes = options.prefixCaching ? new PrefixCache(this.#pool) : undefined;
    const { maxNumSeqs, maxNumBatchedTokens } = limits;
    this.#scheduler = new Scheduler(this.#pool, maxNumSeqs, maxNumBatchedTokens, this.#prefixes);
    model.allocateKvCache(limits.blocks, limits.blockSize);
  }

  /** @throws request-too-long or request-invalid for a request that could never run */
  add(request: EngineRequest): void {
    checkRequest(request, this.limits);
    if (this.#sequences.has(request.id)) {
      throw new QuantlabError("request-invalid", `a request with id "${request.id}" already runs`);
    }
    const seed = request.params.seed ?? streamSeed(this.#seed, this.#order);
    this.#order++;
    const sequence = new Sequence(request, seed);
    this.#sequences.set(request.id, sequence);
    this.#scheduler.add(sequence);
  }

  /** Ends a request and frees its blocks; undefined if it is not here (any more). */
  abort(id: string): TokenEvent | undefined {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) return undefined;
    this.#forget(sequence);
    const atMs = this.#clock.nowMs();
    return { id, tokenId: undefined, index: sequence.generated, atMs, finishReason: "abort" };
  }

  get hasWork(): boolean {
    return this.#sequences.size > 0;
  }

  /** Runs one batch; the tokens it produced, in batch order. Empty while prompts are being filled. */
  step(): TokenEvent[] {
    if (!this.hasWork) return [];
    const startMs = this.#clock.nowMs();
    const scheduled = this.#scheduler.schedule();
    assert(scheduled.length > 0, "there is work but nothing could be scheduled");
    const forwardMs = this.#clock.nowMs();
    const result = runBatch(this.#model, scheduled, this.limits.blockSize);
    this.#forwardMs += this.#clock.nowMs() - forwardMs;
    for (const { sequence, rows } of scheduled) {
      this.#prefixes?.name(sequence, sequence.computed - rows);
    }
    const tokens = this.#sample(result);
    const atMs = this.#clock.nowMs();
    const events = tokens.map(({ sequence, sampled }) => this.#finish(sequence, sampled, atMs));
    this.#steps++;
    this.#generatedTokens += events.length;
    this.#stepMs += atMs - startMs;
    return events;
  }

  stats(): EngineStats {
    return {
      running: this.#scheduler.running.length,
      waiting: this.#scheduler.waiting.length,
      blocksTotal: this.#pool.total,
      blocksUsed: this.#pool.used,
      blockSize: this.#pool.blockSize,
      steps: this.#steps,
      preemptions: this.#scheduler.preemptions,
      promptTokens: this.#promptTokens,
      generatedTokens: this.#generatedTokens,
      stepMs: this.#stepMs,
      forwardMs: this.#forwardMs,
      prefixQueriedTokens: this.#prefixes?.counts.queriedTokens ?? 0,
      prefixHitTokens: this.#prefixes?.counts.hitTokens ?? 0,
    };
  }

  /** Physical blocks of each sequence here, for tests of the ownership invariants. */
  blockTables(): ReadonlyMap<string, readonly number[]> {
    return new Map([...this.#sequences].map(([id, sequence]) => [id, sequence.blockTable]));
  }

  /** A token for each row at a sequence's end; rows inside a prompt give its logprobs. */
  #sample({ logits, rows }: RunnerResult) {
    const tokens: { readonly sequence: Sequence; readonly sampled: Sampled }[] = [];
    for (const [row, { sequence, position }] of rows.entries()) {
      if (position === sequence.length - 1) {
        const sampled = sampleToken(logits, row, sequence, this.#eosTokenIds);
        tokens.push({ sequence, sampled });
      } else {
        const next = sequence.tokenIds[position + 1] ?? -1;
        const top = sequence.params.promptLogprobs ?? 0;
        sequence.promptLogprobs.push(logprobsOf(logits.read(row), next, top));
      }
    }
    return tokens;
  }

  #finish(sequence: Sequence, { tokenId, logprobs }: Sampled, atMs: number): TokenEvent {
    const finishReason = sequence.append(tokenId, this.#eosTokenIds);
    // Counted with the first token, so that recomputation after a preemption does not count again.
    if (sequence.generated === 1) this.#promptTokens += sequence.promptLength;
    if (finishReason !== undefined) this.#forget(sequence);
    const isFirst = sequence.generated === 1;
    return {
      ...{ id: sequence.id, tokenId, index: sequence.generated, atMs, finishReason },
      ...(logprobs === undefined ? {} : { logprobs }),
      ...(isFirst && sequence.params.promptLogprobs !== undefined
        ? { promptLogprobs: sequence.promptLogprobs }
        : {}),
      ...(isFirst && sequence.cachedTokens > 0 ? { cachedTokens: sequence.cachedTokens } : {}),
    };
  }

  #forget(sequence: Sequence): void {
    this.#sequences.delete(sequence.id);
    this.#scheduler.remove(sequence);
  }
}
