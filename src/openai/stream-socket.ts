/** One connection of the load generator: sends a request's bytes, stamps what comes back. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { ResponseReader } from "./response-reader.ts";

/** One request's way over the wire. */
export interface Received {
  readonly reader: ResponseReader;
  /** When its bytes were handed to the socket, or the connection for it was begun. */
  readonly sentMs: number;
  readonly doneMs: number;
  readonly error: Error | undefined;
}

/** What to connect to. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

const connectTimeoutMs = 10_000;
/**
 * All sockets read into the same memory: a read and its callback follow one another without
 * anything in between, and the callback copies. One answer's burst of events fits.
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

interface Request {
  readonly bytes: Uint8Array;
  readonly sentMs: number;
  readonly reader: ResponseReader;
  readonly resolve: (received: Received) => void;
}

/** At most one request at a time. */
export class StreamSocket {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #onFree: (socket: StreamSocket) => void;
  #request: Request | undefined;
  /** Of the last bytes in either direction, for whoever watches for stalls and idle sockets. */
  lastActiveMs: number;
  isClosed = false;

  /** @param onFree called when a request is over and the socket can take another, or is closed */
  constructor(endpoint: Endpoint, clock: Clock, onFree: (socket: StreamSocket) => void) {
    this.#clock = clock;
    this.#onFree = onFree;
    this.lastActiveMs = clock.nowMs();
    this.#socket = open(endpoint, (bytes, length) => this.#onBytes(bytes, length));
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(connectTimeoutMs, () => this.#onConnectTimeout());
    this.#socket.once(endpoint.isTls ? "secureConnect" : "connect", () => {
      this.#socket.setTimeout(0);
    });
    this.#socket.once("error", (error) => this.close(error));
    this.#socket.once("end", () => this.#onEnd());
    this.#socket.once("close", () => this.close(closedByServer()));
  }

  get isBusy(): boolean {
    return this.#request !== undefined;
  }

  /** Settles when the answer is complete or has failed; never rejects. */
  send(bytes: Uint8Array): Promise<Received> {
    return new Promise((resolve) => {
      const sentMs = this.#clock.nowMs();
      this.#request = { bytes, sentMs, reader: new ResponseReader(), resolve };
      this.lastActiveMs = sentMs;
      if (this.isClosed) this.#finish(closedByServer());
      else this.#socket.write(bytes);
    });
  }

  /** Ends the connection; the request on it fails with this error. */
  close(error: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#socket.destroy();
    if (this.#request === undefined) this.#onFree(this);
    else this.#finish(error);
  }

  #onBytes(bytes: Buffer, length: number): void {
    const nowMs = this.#clock.nowMs();
    this.lastActiveMs = nowMs;
    const request = this.#request;
    if (request === undefined) {
      this.close(new Error("the server sent what nobody asked for"));
      return;
    }
    try {
      request.reader.feed(bytes, length, nowMs);
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (request.reader.isDone) this.#finish(undefined);
  }

  #onEnd(): void {
    const isWhole = this.#request?.reader.endByClose() === true;
    if (!isWhole) this.close(closedByServer());
    else {
      this.isClosed = true;
      this.#socket.destroy();
      this.#finish(undefined);
    }
  }

  #onConnectTimeout(): void {
    const error = new Error(`no connection after ${connectTimeoutMs / 1e3} s`);
    this.close(Object.assign(error, { code: "ETIMEDOUT" }));
  }

  #finish(error: Error | undefined): void {
    const request = this.#request;
    if (request === undefined) return;
    this.#request = undefined;
    const { reader, sentMs, resolve } = request;
    if (!this.isClosed && !reader.keepAlive) {
      this.isClosed = true;
      this.#socket.destroy();
    }
    resolve({ reader, sentMs, doneMs: this.#clock.nowMs(), error });
    this.#onFree(this);
  }
}

function closedByServer(): Error {
  return Object.assign(new Error("the server closed the connection"), { code: "ECONNRESET" });
}

function open(
  { host, port, isTls }: Endpoint,
  onBytes: (bytes: Buffer, length: number) => void,
): Socket {
  if (isTls) {
    // An address is no server name: only names are asked for, and the certificate is held to `host`.
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = connectTls({ host, port, ...name, ALPNProtocols: ["http/1.1"] });
    socket.on("data", (bytes: Buffer) => onBytes(bytes, bytes.length));
    return socket;
  }
  return connectTcp({
    host,
    port,
    onread: {
      buffer: readBuffer,
      callback: (length) => {
        onBytes(readBuffer, length);
        return true;
      },
    },
  });
}
