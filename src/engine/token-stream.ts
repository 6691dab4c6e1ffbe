/** One request's tokens as an async iterator: what arrives is queued, who waits is woken. */
import type { QuantlabError } from "../base/errors.ts";
import type { TokenEvent } from "./events.ts";

export class TokenStream implements AsyncIterableIterator<TokenEvent> {
  readonly #queue: TokenEvent[] = [];
  #waiter: PromiseWithResolvers | undefined;
  #ended = false;
  #error: QuantlabError | undefined;
  readonly #onLeave: () => void;

  /** @param onLeave called when the reader leaves before the last event */
  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  /** Adds an event; one with a finish reason is the last. */
  push(event: TokenEvent): void {
    if (this.#ended) return;
    this.#queue.push(event);
    if (event.finishReason !== undefined) this.#ended = true;
    this.#wake();
  }

  /** The reader gets what is queued, then this error. */
  fail(error: QuantlabError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async next(): Promise<IteratorResult<TokenEvent>> {
    for (;;) {
      const value = this.#queue.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return { value: undefined, done: true };
      this.#waiter ??= withResolvers();
      await this.#waiter.promise;
    }
  }

  /** Leaves: `break` in a for-await loop comes here. Whoever waits in next() gets the end. */
  async return(): Promise<IteratorResult<TokenEvent>> {
    const early = !this.#ended;
    this.#ended = true;
    this.#queue.length = 0;
    this.#wake();
    if (early) this.#onLeave();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    this.#waiter?.resolve();
    this.#waiter = undefined;
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
