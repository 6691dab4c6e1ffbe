/** Keeps an engine stepping while it has work, and lets messages in between two steps. */
import { QuantlabError } from "../base/errors.ts";
import type { Engine } from "./engine.ts";
import type { FromEngine, PlainError, ToEngine } from "./protocol.ts";

export class EngineLoop {
  readonly #engine: Engine;
  readonly #post: (message: FromEngine) => void;
  #scheduled = false;
  #stopped = false;

  constructor(engine: Engine, post: (message: FromEngine) => void) {
    this.#engine = engine;
    this.#post = post;
  }

  receive(message: ToEngine): void {
    if (message.kind === "add") this.#add(message);
    else if (message.kind === "abort") {
      this.#engine.abort(message.id);
      this.#post({ kind: "stats", ticket: undefined, stats: this.#engine.stats() });
    } else if (message.kind === "stop") {
      this.#stopped = true;
    } else {
      this.#post({ kind: "stats", ticket: message.ticket, stats: this.#engine.stats() });
    }
  }

  #add({ request }: ToEngine & { kind: "add" }): void {
    try {
      this.#engine.add(request);
    } catch (error) {
      this.#post({ kind: "refused", id: request.id, error: toPlainError(error) });
      return;
    }
    this.#stepSoon();
  }

  /** setImmediate, not a loop: the event loop delivers waiting messages before it runs the next. */
  #stepSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#stopped || !this.#engine.hasWork) return;
      const events = this.#engine.step();
      this.#post({ kind: "step", events, stats: this.#engine.stats() });
      if (this.#engine.hasWork) this.#stepSoon();
    });
  }
}

/** Rethrows a bug: that must end the thread, not become an answer. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof QuantlabError)) throw error;
  return { code: error.code, message: error.message, hint: error.hint };
}

export function fromPlainError({ code, message, hint }: PlainError): QuantlabError {
  return new QuantlabError(code, message, hint === undefined ? {} : { hint });
}
