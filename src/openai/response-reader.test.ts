import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ResponseReader } from "./response-reader.ts";

/** Feeds the bytes in parts of the given sizes; part i comes at i ms. */
function read(
  text: string,
  sizes: Iterable<number> = [],
): { reader: ResponseReader; body: string } {
  const bytes = Buffer.from(text, "latin1");
  const reader = new ResponseReader();
  const cuts = [...sizes];
  let part = 0;
  for (let at = 0; at < bytes.length; part++) {
    const end = Math.min(bytes.length, at + (cuts[part] ?? bytes.length));
    const piece = bytes.subarray(at, end);
    reader.feed(piece, piece.length, part);
    at = end;
  }
  return { reader, body: reader.body.bytes.toString("latin1") };
}

const chunked = (chunks: readonly string[], trailer = "") =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join("")}0\r\n${trailer}\r\n`;

describe("a chunked answer", () => {
  test("is the same however its bytes are cut", () => {
    const chunk = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 200 }),
        fc.constantFrom("", "x-note: 1\r\n"),
        (chunks, sizes, trailer) => {
          const { reader, body } = read(chunked(chunks, trailer), sizes);
          expect([reader.isDone, reader.status, reader.keepAlive]).toEqual([true, 200, true]);
          expect(body).toBe(chunks.join(""));
        },
      ),
    );
  });

  test("stamps each part of its body with the time at which it came", () => {
    const text = chunked(["aa", "bb"]);
    const cut = text.indexOf("bb");
    const { reader } = read(text, [cut]);
    const timeAt = reader.body.times();
    expect([0, 1, 2, 3].map((offset) => timeAt(offset))).toEqual([0, 0, 1, 1]);
    expect(reader.firstByteMs).toBe(0);
  });

  test("with extensions of its sizes is understood", () => {
    const text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n";
    expect(read(text)).toMatchObject({ body: "hi", reader: { isDone: true } });
  });
});

test("an answer with a length ends at it", () => {
  const { reader, body } = read("HTTP/1.1 429 Busy\r\nContent-Length: 4\r\n\r\nbusy");
  expect([reader.isDone, reader.status, body]).toEqual([true, 429, "busy"]);
  const empty = read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").reader;
  expect(empty.isDone).toBe(true);
});

test("an answer without either ends with the connection", () => {
  const { reader, body } = read("HTTP/1.0 200 OK\r\n\r\nall of it");
  expect([reader.isDone, body, reader.keepAlive]).toEqual([false, "all of it", false]);
  expect(reader.endByClose()).toBe(true);
  expect(read(chunked(["a"]).slice(0, -5)).reader.endByClose()).toBe(false);
});

test("1xx answers are passed over, and what the server says of the connection is heard", () => {
  const text =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
  const { reader, body } = read(text);
  expect([reader.status, body, reader.keepAlive]).toEqual([200, "ok", false]);
});

test("bytes after the answer end the trust in the connection", () => {
  const { reader } = read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200");
  expect([reader.isDone, reader.keepAlive]).toEqual([true, false]);
});

test.each([
  "SSH-2.0-OpenSSH\r\n",
  "HTTP/2 200\r\n\r\n",
  "<html>",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
])("%j is not HTTP/1.1", (text) => {
  expect(() => read(text)).toThrow("does not speak HTTP/1.1");
});
