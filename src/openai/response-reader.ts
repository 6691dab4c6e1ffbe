/** HTTP/1.1 answers out of a socket's bytes: stamps and keeps the body, and understands nothing of it. */
import { TimedBody } from "./timed-body.ts";

const lf = 0x0a;
const cr = 0x0d;
/** A head longer than this is no head (Node's own limit is 16 KiB). */
const mostHeadBytes = 64 * 1024;

type State = "head" | "size" | "chunk" | "chunk-end" | "trailer" | "length" | "close" | "done";

/** Reads one answer. Feed it bytes as they come until it is done. */
export class ResponseReader {
  status: number | undefined;
  firstByteMs: number | undefined;
  readonly body = new TimedBody();
  /** Whether the connection may be used again. */
  keepAlive = true;
  #state: State = "head";
  #head = "";
  /** Of the chunk, or of the body. */
  #leftBytes = 0;
  #sizeText = "";

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** @throws Error when the bytes are not HTTP/1.1 */
  feed(bytes: Uint8Array, length: number, nowMs: number): void {
    this.firstByteMs ??= nowMs;
    let at = 0;
    while (at < length && this.#state !== "done") at = this.#step(bytes, at, length, nowMs);
    // More than the answer: nobody asked for it, so nothing on this socket can be trusted.
    if (at < length) this.keepAlive = false;
  }

  /** The server closed. @returns whether that is how the answer ends */
  endByClose(): boolean {
    if (this.#state === "close") this.#state = "done";
    this.keepAlive = false;
    return this.#state === "done";
  }

  /** Takes what the state can take from `at` on, and says how far. */
  #step(bytes: Uint8Array, at: number, length: number, nowMs: number): number {
    switch (this.#state) {
      case "head":
        return this.#takeHead(bytes, at, length);
      case "size":
        return this.#takeSize(bytes, at, length);
      case "chunk-end":
        if (bytes[at] === lf) this.#state = "size";
        return at + 1;
      case "trailer":
        return this.#takeTrailer(bytes, at);
      case "close":
        this.body.append(bytes, at, length, nowMs);
        return length;
      default:
        return this.#takeBody(bytes, at, length, nowMs);
    }
  }

  #takeBody(bytes: Uint8Array, at: number, length: number, nowMs: number): number {
    const end = Math.min(length, at + this.#leftBytes);
    this.body.append(bytes, at, end, nowMs);
    this.#leftBytes -= end - at;
    if (this.#leftBytes === 0) this.#state = this.#state === "chunk" ? "chunk-end" : "done";
    return end;
  }

  /** Byte by byte: the head is short, and it may be cut anywhere. */
  #takeHead(bytes: Uint8Array, at: number, length: number): number {
    let end = at;
    while (end < length) {
      this.#head += String.fromCharCode(bytes[end++] ?? 0);
      if (this.#head.endsWith("\r\n\r\n")) {
        this.#readHead();
        return end;
      }
    }
    const isHttp = "HTTP/1.".startsWith(this.#head.slice(0, 7));
    if (!isHttp || this.#head.length > mostHeadBytes) throw notHttp(this.#head);
    return end;
  }

  #readHead(): void {
    const head = this.#head;
    this.#head = "";
    const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})/.exec(head) ?? [];
    if (code === undefined) throw notHttp(head);
    // 1xx: the real answer follows.
    if (code.startsWith("1")) return;
    this.status = Number(code);
    const connection = headerOf(head, "connection")?.toLowerCase();
    if (connection === "close" || (minor === "0" && connection !== "keep-alive")) {
      this.keepAlive = false;
    }
    const length = headerOf(head, "content-length");
    if (this.status === 204 || this.status === 304) this.#state = "done";
    else if (/\bchunked\b/i.test(headerOf(head, "transfer-encoding") ?? "")) this.#state = "size";
    else if (length === undefined) this.#state = "close";
    else {
      this.#leftBytes = Number(length);
      if (!Number.isSafeInteger(this.#leftBytes)) throw notHttp(head);
      this.#state = this.#leftBytes === 0 ? "done" : "length";
    }
  }

  #takeSize(bytes: Uint8Array, at: number, length: number): number {
    let end = at;
    while (end < length) {
      const byte = bytes[end++] ?? 0;
      if (byte === lf) {
        this.#leftBytes = Number.parseInt(this.#sizeText, 16);
        if (!(this.#leftBytes >= 0)) throw notHttp(`chunk size ${this.#sizeText}`);
        this.#sizeText = "";
        this.#state = this.#leftBytes === 0 ? "trailer" : "chunk";
        break;
      }
      if (byte !== cr) this.#sizeText += String.fromCharCode(byte);
      if (this.#sizeText.length > mostHeadBytes) throw notHttp("an endless chunk size");
    }
    return end;
  }

  /** Lines after the last chunk, up to an empty one; `#sizeText` holds the line so far. */
  #takeTrailer(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] ?? 0;
    if (byte === lf) {
      if (this.#sizeText === "") this.#state = "done";
      this.#sizeText = "";
    } else if (byte !== cr) this.#sizeText += "x";
    return at + 1;
  }
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(head)?.[1];
}

function notHttp(text: string): Error {
  return new Error(`the server does not speak HTTP/1.1: ${JSON.stringify(text.slice(0, 60))}`);
}
