/** Pieces to the client: as server-sent events on the raw socket, or gathered into one answer. */
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { log } from "../base/log.ts";
import { doneEvent, encodeEvent, eventStreamHeaders } from "../openai/sse.ts";
import { toErrorAnswer } from "./errors.ts";
import type { Generation, Piece } from "./generation.ts";

/**
 * Writes one event a piece, as soon as it is there, then the closing word. Waits where the client
 * reads too slowly; frees the sequence when it hangs up.
 * @param toChunks the wire objects of a piece; `last` asks for the usage chunk, if one is wanted
 */
export async function streamPieces(
  reply: FastifyReply,
  generation: Generation,
  toChunks: (piece: Piece) => unknown,
  closing: (last: Piece | undefined) => unknown,
): Promise<void> {
  reply.hijack();
  const raw = reply.raw;
  // Node's HTTP server sets TCP_NODELAY by default: small events do not wait for one another.
  raw.writeHead(200, eventStreamHeaders);
  raw.flushHeaders();
  const abort = () => generation.abort();
  raw.once("close", abort);
  try {
    let last: Piece | undefined;
    for await (const piece of generation.pieces) {
      // Gone, and "close" is about to say so: nothing may be written any more.
      if (raw.destroyed) continue;
      last = piece;
      if (!raw.write(encodeEvent(toChunks(piece)))) await writable(raw);
    }
    if (raw.destroyed) return;
    const usage = closing(last);
    if (usage !== undefined) raw.write(encodeEvent(usage));
    raw.end(doneEvent);
  } catch (error) {
    // The status is sent: the error can only be an event. OpenAI's clients throw on it.
    const { status, body } = toErrorAnswer(error);
    if (status === 500) log.error({ err: error }, "a stream failed");
    raw.end(encodeEvent(body));
  } finally {
    raw.off("close", abort);
  }
}

/** The whole text and the last piece; undefined when the client hung up. */
export async function gatherPieces(
  reply: FastifyReply,
  generation: Generation,
): Promise<{ readonly text: string; readonly last: Piece } | undefined> {
  const abort = () => generation.abort();
  reply.raw.once("close", abort);
  try {
    let text = "";
    let last: Piece | undefined;
    for await (const piece of generation.pieces) {
      text += piece.text;
      last = piece;
    }
    return last?.finishReason === undefined ? undefined : { text, last };
  } finally {
    reply.raw.off("close", abort);
  }
}

/** Resolves when the socket takes more, or is gone. */
function writable(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off("drain", done);
      raw.off("close", done);
      resolve();
    };
    raw.on("drain", done);
    raw.on("close", done);
  });
}
