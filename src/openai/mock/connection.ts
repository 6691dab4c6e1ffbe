/** The server's end of HTTP/1.1 on a raw socket: just enough for API clients, and cheap per request. */
import type { Socket } from "node:net";

export interface MockHttpRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly body: Buffer;
  /** When the last of its bytes was read, on the clock of performance.now(). */
  readonly arrivedMs: number;
}

const headEnd = Buffer.from("\r\n\r\n");

/**
 * Calls `onRequest` for each request on the socket, one after another. The answer is written to the
 * socket as bytes by the functions below.
 */
export function readRequests(socket: Socket, onRequest: (request: MockHttpRequest) => void): void {
  socket.setNoDelay(true);
  let pending: Buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    const arrivedMs = performance.now();
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    for (;;) {
      const taken = takeRequest(pending, arrivedMs);
      if (taken === undefined) return;
      if (taken === "unreadable") {
        socket.end(jsonAnswer(411, { error: { message: "send content-length" } }));
        return;
      }
      pending = taken.rest;
      onRequest(taken.request);
    }
  });
}

function takeRequest(
  bytes: Buffer,
  arrivedMs: number,
): { request: MockHttpRequest; rest: Buffer } | "unreadable" | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const { method, path, length } = readHead(bytes.toString("latin1", 0, end));
  if (length === undefined) return "unreadable";
  const start = end + headEnd.length;
  if (bytes.length < start + length) return undefined;
  const body = bytes.subarray(start, start + length);
  return { request: { method, path, body, arrivedMs }, rest: bytes.subarray(start + length) };
}

interface Head {
  readonly method: string;
  readonly path: string;
  /** undefined where the length is not told beforehand. */
  readonly length: number | undefined;
}

/** A client sends the same few heads again and again. */
const knownHeads = new Map<string, Head>();
const mostKnownHeads = 100;

function readHead(text: string): Head {
  const known = knownHeads.get(text);
  if (known !== undefined) return known;
  const [, method = "", path = ""] = /^(\S+) ([^\s?]*)/.exec(text) ?? [];
  const isUntold = /^transfer-encoding:/im.test(text);
  const length = Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? 0);
  const head = { method, path, length: isUntold ? undefined : length };
  if (knownHeads.size < mostKnownHeads) knownHeads.set(text, head);
  return head;
}

/** The head of a streamed answer. */
export const eventStreamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
);

/** The chunk that ends a streamed answer. */
export const lastChunk = Buffer.from("0\r\n\r\n");

/** A chunk of a streamed answer. */
export function chunkOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
  return Buffer.concat([size, bytes, Buffer.from("\r\n")]);
}

/** A whole answer with a JSON body, or with none. */
export function jsonAnswer(status: number, value: unknown): Buffer {
  const body = value === undefined ? "" : JSON.stringify(value);
  return Buffer.from(
    `HTTP/1.1 ${status} ${status < 400 ? "OK" : "Error"}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
