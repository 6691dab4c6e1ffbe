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
  /** Of the chunk whose size is being read; -1 before its first digit. */
  #size = -1;
  /** Behind the digits: an extension or white space. */
  #isBehindSize = false;
  #isTrailerLineEmpty = true;

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** @throws Error when the bytes are not HTTP/1.1 */
  feed(bytes: Buffer, length: number, nowMs: number): void {
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
  #step(bytes: Buffer, at: number, length: number, nowMs: number): number {
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

  #takeBody(bytes: Buffer, at: number, length: number, nowMs: number): number {
    const end = Math.min(length, at + this.#leftBytes);
    this.body.append(bytes, at, end, nowMs);
    this.#leftBytes -= end - at;
    if (this.#leftBytes === 0) this.#state = this.#state === "chunk" ? "chunk-end" : "done";
    return end;
  }

  /** The head may be cut anywhere; what has come of it is kept as text. */
  #takeHead(bytes: Buffer, at: number, length: number): number {
    const before = this.#head.length;
    this.#head += bytes.toString("latin1", at, Math.min(length, at + mostHeadBytes));
    const end = this.#head.indexOf("\r\n\r\n", Math.max(0, before - 3));
    const isHttp = "HTTP/1.".startsWith(this.#head.slice(0, 7));
    if (!isHttp || (end < 0 && this.#head.length > mostHeadBytes)) throw notHttp(this.#head);
    if (end < 0) return length;
    this.#head = this.#head.slice(0, end + 4);
    this.#readHead();
    return at + end + 4 - before;
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

  #takeSize(bytes: Buffer, at: number, length: number): number {
    let end = at;
    while (end < length) {
      const byte = bytes[end++] ?? 0;
      if (byte === lf) {
        if (this.#size < 0) throw notHttp("a chunk without a size");
        this.#leftBytes = this.#size;
        this.#state = this.#size === 0 ? "trailer" : "chunk";
        this.#size = -1;
        this.#isBehindSize = false;
        break;
      }
      if (!this.#isBehindSize) this.#takeDigit(byte);
    }
    return end;
  }

  #takeDigit(byte: number): void {
    const digit = hexDigit(byte);
    if (digit < 0) this.#isBehindSize = true;
    else this.#size = Math.max(0, this.#size) * 16 + digit;
    if (this.#size > Number.MAX_SAFE_INTEGER) throw notHttp("a chunk size beyond reason");
  }

  /** Lines after the last chunk, up to an empty one. */
  #takeTrailer(bytes: Buffer, at: number): number {
    const byte = bytes[at] ?? 0;
    if (byte === lf) {
      if (this.#isTrailerLineEmpty) this.#state = "done";
      this.#isTrailerLineEmpty = true;
    } else if (byte !== cr) this.#isTrailerLineEmpty = false;
    return at + 1;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(head)?.[1];
}

function notHttp(text: string): Error {
  return new Error(`the server does not speak HTTP/1.1: ${JSON.stringify(text.slice(0, 60))}`);
}
