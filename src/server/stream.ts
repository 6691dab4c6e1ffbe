/** Pieces to the client: as server-sent events on the raw socket, or gathered into one answer. */
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { doneEvent, encodeEvent, eventStreamHeaders } from "../openai/sse.ts";
import { toErrorAnswer } from "./errors.ts";
import type { AnswerCounts, Choice, Piece } from "./generation.ts";

/** A client that takes nothing for so long is gone, or means harm: its sequences are freed. */
const slowReaderLimitMs = 30_000;

/** How an endpoint writes what it streams. */
export interface Wire {
  /** The wire object of a piece. */
  toChunk(piece: Piece, choice: Choice): unknown;
  /** The event before the closing word, if one is wanted. */
  closing(answers: readonly AnswerCounts[]): unknown;
}

/**
 * Writes one event a piece, as soon as it is there, then the closing word. Waits where the client
 * reads too slowly, up to a limit; frees the sequences when it hangs up.
 */
export async function streamChoices(
  reply: FastifyReply,
  choices: readonly Choice[],
  wire: Wire,
  clock: Clock,
): Promise<void> {
  reply.hijack();
  const raw = reply.raw;
  // Node's HTTP server sets TCP_NODELAY by default: small events do not wait for one another.
  raw.writeHead(200, eventStreamHeaders);
  raw.flushHeaders();
  const abort = () => {
    for (const choice of choices) choice.abort();
  };
  raw.once("close", abort);
  const failures: unknown[] = [];
  const answers = await Promise.all(
    choices.map((choice) =>
      pump(raw, choice, wire, clock).catch((error: unknown) => {
        failures.push(error);
        abort();
        return { completionTokens: 0, cachedTokens: 0 };
      }),
    ),
  );
  if (failures.length > 0) endWithError(raw, failures[0]);
  else if (!raw.destroyed) {
    const last = wire.closing(answers);
    if (last !== undefined) raw.write(encodeEvent(last));
    raw.end(doneEvent);
    if (raw.writableNeedDrain) await writable(raw, clock);
  }
  raw.off("close", abort);
}

async function pump(
  raw: ServerResponse,
  choice: Choice,
  wire: Wire,
  clock: Clock,
): Promise<AnswerCounts> {
  let completionTokens = 0;
  let cachedTokens = 0;
  for await (const piece of choice.pieces) {
    // Gone, and "close" is about to say so: nothing may be written any more.
    if (raw.destroyed) continue;
    completionTokens = piece.completionTokens;
    cachedTokens += piece.cachedTokens;
    if (!raw.write(encodeEvent(wire.toChunk(piece, choice)))) await writable(raw, clock);
  }
  return { completionTokens, cachedTokens };
}

/** The status is sent: the error can only be an event. OpenAI's clients throw on it. */
function endWithError(raw: ServerResponse, error: unknown): void {
  const { status, body } = toErrorAnswer(error);
  if (status === 500) log.error({ err: error }, "a stream failed");
  if (!raw.destroyed) raw.end(encodeEvent(body));
}

/** Every piece of every choice; undefined when the client hung up. */
export async function gatherChoices(
  reply: FastifyReply,
  choices: readonly Choice[],
): Promise<readonly (readonly Piece[])[] | undefined> {
  const abort = () => {
    for (const choice of choices) choice.abort();
  };
  reply.raw.once("close", abort);
  try {
    const gathered = await Promise.all(choices.map((choice) => gather(choice)));
    const isWhole = gathered.every((pieces) => pieces.at(-1)?.finishReason !== undefined);
    return isWhole ? gathered : undefined;
  } catch (error) {
    abort();
    throw error;
  } finally {
    reply.raw.off("close", abort);
  }
}

async function gather(choice: Choice): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of choice.pieces) pieces.push(piece);
  return pieces;
}

/** Resolves when the socket takes more, or is gone; after the limit it is made to go. */
async function writable(raw: ServerResponse, clock: Clock): Promise<void> {
  const settled = new AbortController();
  const drained = new Promise<void>((resolve) => {
    const done = () => {
      raw.off("drain", done);
      raw.off("close", done);
      resolve();
    };
    raw.on("drain", done);
    raw.on("close", done);
  });
  const deadlineMs = clock.nowMs() + slowReaderLimitMs;
  const late = clock.sleepUntil(deadlineMs, settled.signal).then(() => {
    if (!settled.signal.aborted) raw.destroy();
  });
  await Promise.race([drained, late]);
  settled.abort();
}
