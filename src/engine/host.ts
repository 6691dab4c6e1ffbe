/** The engine as the HTTP side sees it: requests in, async iterators of tokens out. */
import { QuantlabError } from "../base/errors.ts";
import type { EngineRequest, EngineStats, TokenEvent } from "./events.ts";
import { checkRequest } from "./limits.ts";
import type { EngineFacts, EngineOptions } from "./load-engine.ts";
import { fromPlainError } from "./loop.ts";
import type { EngineChannel, FromEngine } from "./protocol.ts";
import { TokenStream } from "./token-stream.ts";
import { openWorkerChannel } from "./worker-channel.ts";

/** Called while the model loads: 0..1 and what is being loaded. */
export type OnLoading = (fraction: number, text: string) => void;

/**
 * Starts an engine in a worker thread and waits until its model is loaded.
 * @param maxQueue requests that may wait beside those that run; more are refused as server-busy
 * @throws what `loadEngine` throws; engine-stopped when the thread ends before it is ready
 */
export function startEngine(
  options: EngineOptions,
  maxQueue: number,
  onLoading: OnLoading,
): Promise<EngineHost> {
  return connectEngine(openWorkerChannel(options), maxQueue, onLoading);
}

/** The same over any channel. */
export function connectEngine(
  channel: EngineChannel,
  maxQueue: number,
  onLoading: OnLoading,
): Promise<EngineHost> {
  return new Promise((resolve, reject) => {
    let host: EngineHost | undefined;
    channel.listen(
      (message) => {
        if (host !== undefined) host.receive(message);
        else if (message.kind === "loading") onLoading(message.fraction, message.text);
        else if (message.kind === "failed") {
          reject(fromPlainError(message.error));
          void channel.terminate();
        } else if (message.kind === "ready") {
          host = new EngineHost(channel, message.facts, message.stats, maxQueue);
          resolve(host);
        }
      },
      (reason) => {
        const error = new QuantlabError("engine-stopped", `the engine stopped: ${reason}`);
        host?.close(error);
        reject(error);
      },
    );
  });
}

export class EngineHost {
  readonly facts: EngineFacts;
  /** Settles with the reason when the engine is gone, however it ended; never rejects. */
  readonly stopped: Promise<QuantlabError>;
  readonly #channel: EngineChannel;
  readonly #maxActive: number;
  readonly #streams = new Map<string, TokenStream>();
  readonly #tickets = new Map<number, () => void>();
  #nextTicket = 0;
  #stats: EngineStats;
  #error: QuantlabError | undefined;
  #onStopped: (error: QuantlabError) => void = () => undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(channel: EngineChannel, facts: EngineFacts, stats: EngineStats, maxQueue: number) {
    this.facts = facts;
    this.#channel = channel;
    this.#stats = stats;
    this.#maxActive = facts.limits.maxNumSeqs + maxQueue;
    this.stopped = new Promise((resolve) => {
      this.#onStopped = resolve;
    });
  }

  /** Whether requests are taken. */
  get alive(): boolean {
    return this.#error === undefined;
  }

  /** Requests that run or wait. */
  get active(): number {
    return this.#streams.size;
  }

  /** As of the last step or change; while a step runs, of before it. */
  get stats(): EngineStats {
    return this.#stats;
  }

  /**
   * Queues a request. Leaving the iterator early aborts it and frees its blocks.
   * @throws at once: request-too-long, request-invalid, server-busy, engine-stopped
   */
  generate(request: EngineRequest): AsyncIterableIterator<TokenEvent> {
    if (this.#error !== undefined) throw this.#error;
    checkRequest(request, this.facts.limits);
    if (this.#streams.size >= this.#maxActive) {
      throw new QuantlabError("server-busy", `${this.#streams.size} requests run or wait already`, {
        hint: "send again later, or serve with a larger --max-queue",
      });
    }
    const stream = new TokenStream(() => this.#abort(request.id));
    this.#streams.set(request.id, stream);
    this.#channel.post({ kind: "add", request });
    return stream;
  }

  /** The engine's counters after everything asked of it so far; waits for the running step. */
  refreshStats(): Promise<EngineStats> {
    if (this.#error !== undefined) return Promise.resolve(this.#stats);
    const ticket = this.#nextTicket++;
    this.#channel.post({ kind: "stats", ticket });
    return new Promise((resolve) => this.#tickets.set(ticket, () => resolve(this.#stats)));
  }

  /** Resolves when no request runs or waits. */
  idle(): Promise<void> {
    if (this.#streams.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Ends the engine; running requests end with engine-stopped. Idempotent. */
  async stop(): Promise<void> {
    this.close(new QuantlabError("engine-stopped", "the engine was stopped"));
    await this.#channel.terminate();
  }

  /** For the channel: a message of the engine. */
  receive(message: FromEngine): void {
    if (message.kind === "step") {
      this.#stats = message.stats;
      for (const event of message.events) {
        this.#streams.get(event.id)?.push(event);
        if (event.finishReason !== undefined) this.#forget(event.id);
      }
    } else if (message.kind === "refused") {
      this.#streams.get(message.id)?.fail(fromPlainError(message.error));
      this.#forget(message.id);
    } else if (message.kind === "stats") {
      this.#stats = message.stats;
      if (message.ticket !== undefined) this.#settle(message.ticket);
    }
  }

  /** For the channel: the engine is gone. */
  close(error: QuantlabError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#stats = { ...this.#stats, running: 0, waiting: 0, blocksUsed: 0 };
    for (const [id, stream] of this.#streams) {
      stream.fail(error);
      this.#forget(id);
    }
    for (const ticket of this.#tickets.keys()) this.#settle(ticket);
    this.#onStopped(error);
  }

  #abort(id: string): void {
    if (!this.#streams.has(id)) return;
    this.#forget(id);
    if (this.alive) this.#channel.post({ kind: "abort", id });
  }

  #forget(id: string): void {
    this.#streams.delete(id);
    if (this.#streams.size > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #settle(ticket: number): void {
    this.#tickets.get(ticket)?.();
    this.#tickets.delete(ticket);
  }
}
