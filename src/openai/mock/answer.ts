/** One streamed answer of the mock server: writes the tokens that are due, and fails where told to. */
import type { Socket } from "node:net";
import { chunkOf, eventStreamHead, lastChunk } from "./connection.ts";
import type { Due } from "./due-queue.ts";
import type { Frames } from "./frames.ts";

/** What goes wrong with one answer, after `afterTokens` tokens where that is given. */
export type MockFault =
  | { readonly kind: "http"; readonly status: number; readonly message: string }
  | { readonly kind: "stall"; readonly afterTokens: number }
  | { readonly kind: "reset"; readonly afterTokens: number }
  | { readonly kind: "cut"; readonly afterTokens: number }
  | { readonly kind: "error-event"; readonly afterTokens: number }
  | { readonly kind: "malformed"; readonly afterTokens: number }
  | { readonly kind: "short"; readonly afterTokens: number }
  | { readonly kind: "no-usage" }
  | { readonly kind: "no-output" };

type StreamFailure = "stall" | "reset" | "cut" | "error-event" | "malformed";

export interface AnswerPlan {
  readonly arrivedMs: number;
  readonly ttftMs: number;
  readonly itlMs: number;
  /** The most that an event leaves after its time, drawn anew for each; 0 for none. */
  readonly jitterMs: number;
  readonly maxTokens: number;
  readonly tokensPerChunk: number;
  /** Chunks that leave together, when the last of them is due. */
  readonly chunksPerWrite: number;
  readonly promptTokens: number;
  readonly includeUsage: boolean;
  readonly fault: MockFault | undefined;
  /** Called with when each event is written. */
  readonly onWritten: ((atMs: number) => void) | undefined;
}

/** Told of each event how late it is. */
export interface LatenessSink {
  event(lateMs: number): void;
}

/** Chunks written in one go where a stream is behind its schedule, so that others have their turn. */
const mostChunksAtOnce = 64;

export class Answer implements Due {
  dueMs: number;
  readonly #plan: AnswerPlan;
  readonly #socket: Socket;
  readonly #frames: Frames;
  #sent = 0;
  /** Bytes that leave with the next ones: a burst of requests is not answered by a burst of heads. */
  #unsent: Buffer | undefined = eventStreamHead;

  constructor(socket: Socket, frames: Frames, plan: AnswerPlan) {
    this.#socket = socket;
    this.#frames = frames;
    this.#plan = plan;
    this.dueMs = this.#nextDueMs();
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  get sent(): number {
    return this.#sent;
  }

  get arrivedMs(): number {
    return this.#plan.arrivedMs;
  }

  /** Calls back once the socket takes more. */
  onWritable(callback: () => void): boolean {
    if (!this.#socket.writableNeedDrain) return false;
    this.#socket.once("drain", callback);
    return true;
  }

  /** Writes what is due. @returns whether the answer goes on */
  step(nowMs: number, lateness: LatenessSink): boolean {
    const { fault, maxTokens, tokensPerChunk, chunksPerWrite, onWritten } = this.#plan;
    const chunks: Buffer[] = [];
    const total = fault?.kind === "no-output" ? 0 : maxTokens;
    while (chunks.length < mostChunksAtOnce) {
      const failure = this.#failure();
      if (failure !== undefined) {
        this.#fail(failure, chunks);
        return false;
      }
      if (this.#sent >= total || this.#isShort()) {
        this.#write([...chunks, this.#ending()]);
        return false;
      }
      if (chunks.length % chunksPerWrite === 0 && this.dueMs > nowMs) break;
      const count = Math.min(tokensPerChunk, total - this.#sent);
      const isLast = this.#sent + count === maxTokens;
      chunks.push(this.#frames.tokens(this.#sent, count, isLast));
      lateness.event(nowMs - this.dueMs);
      onWritten?.(nowMs);
      this.#sent += count;
      if (chunks.length % chunksPerWrite === 0) this.dueMs = this.#nextDueMs();
    }
    if (chunks.length > 0) this.#write(chunks);
    return true;
  }

  #write(chunks: readonly Buffer[], callback?: () => void): void {
    const only = chunks.length === 1 && this.#unsent === undefined ? chunks[0] : undefined;
    const all = this.#unsent === undefined ? chunks : [this.#unsent, ...chunks];
    this.#unsent = undefined;
    this.#socket.write(only ?? Buffer.concat(all), callback);
  }

  /** Chunks leave when the last of their tokens is due, so lateness does not add up. */
  #nextDueMs(): number {
    const { arrivedMs, ttftMs, itlMs, jitterMs, maxTokens } = this.#plan;
    const { tokensPerChunk, chunksPerWrite } = this.#plan;
    const last = Math.min(this.#sent + tokensPerChunk * chunksPerWrite, maxTokens) - 1;
    const jitter = jitterMs === 0 ? 0 : Math.random() * jitterMs;
    return arrivedMs + ttftMs + Math.max(0, last) * itlMs + jitter;
  }

  #isShort(): boolean {
    const { fault } = this.#plan;
    return fault?.kind === "short" && this.#sent >= fault.afterTokens;
  }

  #failure(): StreamFailure | undefined {
    const { fault } = this.#plan;
    if (fault === undefined || !("afterTokens" in fault) || this.#sent < fault.afterTokens) {
      return undefined;
    }
    return fault.kind === "short" ? undefined : fault.kind;
  }

  #fail(kind: StreamFailure, chunks: readonly Buffer[]): void {
    if (kind === "stall") this.#write(chunks);
    else if (kind === "reset") {
      // Destroyed only once the tokens before it have left, so that they are seen.
      this.#write([...chunks, chunkOf(": \n\n")], () => this.#socket.destroy());
    } else if (kind === "cut") this.#write([...chunks, lastChunk]);
    else if (kind === "malformed") {
      this.#write([...chunks, chunkOf('data: {"choices": [{"text"\n\n'), lastChunk]);
    } else {
      const error = { message: "the engine is gone", type: "server_error" };
      this.#write([...chunks, this.#frames.event({ error }), lastChunk]);
    }
  }

  #ending(): Buffer {
    const { fault, includeUsage, promptTokens } = this.#plan;
    const parts = [chunkOf("data: [DONE]\n\n"), lastChunk];
    if (includeUsage && fault?.kind !== "no-usage") {
      const usage = {
        prompt_tokens: promptTokens,
        completion_tokens: this.#sent,
        total_tokens: promptTokens + this.#sent,
      };
      parts.unshift(this.#frames.event({ choices: [], usage }));
    }
    return Buffer.concat(parts);
  }
}
