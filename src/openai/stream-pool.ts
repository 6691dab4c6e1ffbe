/** Keep-alive connections to one server, each with one request at a time. */
import type { Clock } from "../base/clock.ts";
import { type Endpoint, type Received, StreamSocket } from "./stream-socket.ts";

export interface PoolOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Sockets at most; further requests wait for one. */
  readonly connections: number;
  /** Silence after which a request has stalled. */
  readonly stallTimeoutMs: number;
}

/** Idle sockets are dropped before common servers drop them (uvicorn: 5 s), or a send could race. */
const mostIdleMs = 4_000;
/** Connections begun at the same time: no listening queue is that short. */
const connectBatch = 100;

export class StreamPool {
  readonly #options: PoolOptions;
  readonly #idle: StreamSocket[] = [];
  readonly #all = new Set<StreamSocket>();
  readonly #waiting: (() => void)[] = [];
  readonly #watch: NodeJS.Timeout;
  #destroyed: Error | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    const watchMs = Math.min(1_000, Math.max(5, options.stallTimeoutMs / 4));
    // Looking at all sockets now and then costs nothing; a timer a request would.
    this.#watch = setInterval(() => this.#endStalled(), watchMs);
  }

  /** Sends bytes on an idle socket, or a new one, or waits for one. Never rejects. */
  async send(bytes: Uint8Array): Promise<Received> {
    return (await this.#take()).send(bytes);
  }

  /** Opens `count` sockets and has each answer one request; failures are left for later. */
  async warmUp(count: number, bytes: Uint8Array): Promise<void> {
    const sockets: StreamSocket[] = [];
    while (sockets.length < Math.min(count, this.#options.connections)) {
      const batch = Array.from({ length: Math.min(connectBatch, count - sockets.length) }, () =>
        this.#open(),
      );
      sockets.push(...batch);
      await Promise.all(batch.map((socket) => socket.send(bytes)));
      if (batch.some((socket) => socket.isClosed)) return;
    }
  }

  /** Ends every request with this error, and all that follow. */
  destroy(error: Error): void {
    this.#destroyed = error;
    for (const socket of [...this.#all]) socket.close(error);
    this.close();
  }

  /** Closes idle sockets; call it when every request is done. */
  close(): void {
    clearInterval(this.#watch);
    const error = new Error("the pool was closed");
    for (const socket of [...this.#all]) if (!socket.isBusy) socket.close(error);
  }

  async #take(): Promise<StreamSocket> {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) {
        if (this.#all.size < this.#options.connections) return this.#open();
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      } else if (this.#isFresh(idle)) return idle;
      else idle.close(new Error("idle for too long"));
    }
  }

  #isFresh(socket: StreamSocket): boolean {
    return !socket.isClosed && this.#options.clock.nowMs() - socket.lastActiveMs < mostIdleMs;
  }

  #open(): StreamSocket {
    const { endpoint, clock } = this.#options;
    const socket = new StreamSocket(endpoint, clock, (free) => this.#onFree(free));
    this.#all.add(socket);
    if (this.#destroyed !== undefined) socket.close(this.#destroyed);
    return socket;
  }

  #onFree(socket: StreamSocket): void {
    if (socket.isClosed) {
      this.#all.delete(socket);
      const at = this.#idle.indexOf(socket);
      if (at >= 0) this.#idle.splice(at, 1);
    } else this.#idle.push(socket);
    this.#waiting.shift()?.();
  }

  #endStalled(): void {
    const { clock, stallTimeoutMs } = this.#options;
    const nowMs = clock.nowMs();
    for (const socket of [...this.#all]) {
      if (!socket.isBusy || nowMs - socket.lastActiveMs < stallTimeoutMs) continue;
      socket.close(Object.assign(new Error("stalled"), { code: stallCode }));
    }
  }
}

/** The `code` of the error of a request that stalled. */
export const stallCode = "STALLED";
