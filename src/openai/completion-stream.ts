/** Timestamped bytes of a streamed answer to its events: decoded after the fact, tolerant of any server. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import { z } from "zod";

/** Bytes as the socket gave them, with the time they came. */
export interface TimedBytes {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** Why a request failed; `code` is one of `StreamErrorCode` or "http-STATUS". */
export interface StreamError {
  readonly code: string;
  readonly message: string;
}

export interface DecodedStream {
  /** Arrival of each event with a non-empty choices list. */
  readonly eventTimesMs: readonly number[];
  /** Tokens of each of those events, where the server counts them. */
  readonly eventTokens: readonly number[] | undefined;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number } | undefined;
  readonly finishReason: string | undefined;
  readonly text: string;
  readonly error: StreamError | undefined;
}

const deltaSchema = z.looseObject({ content: z.string().nullish() });
const choiceSchema = z.looseObject({
  text: z.string().nullish(),
  delta: deltaSchema.nullish(),
  finish_reason: z.string().nullish(),
  token_ids: z.array(z.number()).nullish(),
});
const usageSchema = z.looseObject({
  prompt_tokens: z.number(),
  completion_tokens: z.number().nullish(),
});
const eventSchema = z.looseObject({
  choices: z.array(choiceSchema).nullish(),
  usage: usageSchema.nullish(),
  error: z.union([z.string(), z.looseObject({ message: z.string().nullish() })]).nullish(),
});

/** Pieces decoded before other sockets get a turn: about 0.2 ms of work. */
const piecesPerTurn = 64;

/** Decodes a whole answer; other requests' bytes are stamped in between. */
export async function decodeCompletionStream(
  pieces: readonly TimedBytes[],
): Promise<DecodedStream> {
  const decoder = new CompletionDecoder();
  for (const [i, piece] of pieces.entries()) {
    if (i > 0 && i % piecesPerTurn === 0) await nextTurn();
    decoder.feed(piece);
  }
  return decoder.finish();
}

/** The state of one answer's decoding. */
class CompletionDecoder {
  // An event's time is that of the bytes which completed it.
  #nowMs = 0;
  readonly #text = new TextDecoder();
  readonly #parser = createParser({ onEvent: (event) => this.#onEvent(event.data) });
  readonly #eventTimesMs: number[] = [];
  readonly #eventTokens: (number | undefined)[] = [];
  readonly #texts: string[] = [];
  #usage: DecodedStream["usage"];
  #finishReason: string | undefined;
  #error: StreamError | undefined;
  #done = false;

  feed(piece: TimedBytes): void {
    this.#nowMs = piece.atMs;
    this.#parser.feed(this.#text.decode(piece.bytes, { stream: true }));
  }

  finish(): DecodedStream {
    const counts = this.#eventTokens.filter((count) => count !== undefined);
    return {
      eventTimesMs: this.#eventTimesMs,
      eventTokens: counts.length === this.#eventTokens.length ? counts : undefined,
      usage: this.#usage,
      finishReason: this.#finishReason,
      text: this.#texts.join(""),
      error: this.#error ?? this.#missing(),
    };
  }

  /** What a stream that ended without an error still lacks to be an answer. */
  #missing(): StreamError | undefined {
    if (this.#eventTimesMs.length === 0) {
      return { code: "empty-stream", message: "the server answered 200 and sent no output" };
    }
    if (!this.#done && this.#finishReason === undefined) {
      return {
        code: "cut-stream",
        message: `the stream ended after ${this.#eventTimesMs.length} events, without a finish reason or [DONE]`,
      };
    }
    return undefined;
  }

  #onEvent(data: string): void {
    if (data === "[DONE]") {
      this.#done = true;
      return;
    }
    let event: z.infer<typeof eventSchema>;
    try {
      event = eventSchema.parse(JSON.parse(data));
    } catch {
      this.#error ??= {
        code: "malformed-stream",
        message: `event ${this.#eventTimesMs.length} is not a completion chunk: ${excerpt(data)}`,
      };
      return;
    }
    if (event.error != null) this.#error ??= serverError(event.error);
    this.#onOutput(event);
  }

  #onOutput(event: z.infer<typeof eventSchema>): void {
    const before = this.#usage?.completionTokens ?? 0;
    if (event.usage != null) {
      this.#usage = {
        promptTokens: event.usage.prompt_tokens,
        completionTokens: event.usage.completion_tokens ?? before,
      };
    }
    const choice = event.choices?.[0];
    if (choice === undefined) return;
    this.#eventTimesMs.push(this.#nowMs);
    // Servers count a chunk's tokens by listing their ids, or by a running usage.
    const running = event.usage?.completion_tokens;
    this.#eventTokens.push(
      choice.token_ids?.length ?? (running == null ? undefined : running - before),
    );
    this.#texts.push(choice.text ?? choice.delta?.content ?? "");
    this.#finishReason = choice.finish_reason ?? this.#finishReason;
  }
}

function serverError(error: string | { message?: string | null | undefined }): StreamError {
  const message = typeof error === "string" ? error : (error.message ?? "no message");
  return {
    code: "server-error",
    message: `the server reported an error in the stream: ${message}`,
  };
}

/** Enough of foreign text to recognize it. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}...` : text);
}
