/** What an engine and its host say to each other; plain data that a thread border can copy. */
import type { ErrorCode } from "../base/errors.ts";
import type { EngineRequest, EngineStats, TokenEvent } from "./events.ts";
import type { EngineFacts } from "./load-engine.ts";

export type ToEngine =
  | { readonly kind: "add"; readonly request: EngineRequest }
  | { readonly kind: "abort"; readonly id: string }
  /** Answered by "stats" with the same ticket, after everything sent before it. */
  | { readonly kind: "stats"; readonly ticket: number }
  /** No step follows; the thread ends by itself. */
  | { readonly kind: "stop" };

export type FromEngine =
  | { readonly kind: "loading"; readonly fraction: number; readonly text: string }
  | { readonly kind: "ready"; readonly facts: EngineFacts; readonly stats: EngineStats }
  /** Loading failed; the engine is gone. */
  | { readonly kind: "failed"; readonly error: PlainError }
  /** All tokens of one step in one message. */
  | {
      readonly kind: "step";
      readonly events: readonly TokenEvent[];
      readonly stats: EngineStats;
    }
  | { readonly kind: "refused"; readonly id: string; readonly error: PlainError }
  | {
      readonly kind: "stats";
      readonly ticket: number | undefined;
      readonly stats: EngineStats;
    };

/** A QuantlabError without its class, which a thread border would lose. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The host's end of the line to an engine: a worker thread, or, in unit tests, the same thread. */
export interface EngineChannel {
  post(message: ToEngine): void;
  /** Called once, before anything is posted. `onClosed` is called at most once, last. */
  listen(onMessage: (message: FromEngine) => void, onClosed: (reason: string) => void): void;
  /** Ends the engine after the step it is in; resolves when its thread is gone. */
  terminate(): Promise<void>;
}
