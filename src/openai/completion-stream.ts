/** Timestamped bytes of a streamed answer to its events: decoded after the fact, tolerant of any server. */
import { z } from "zod";
import { EventTemplate } from "./event-template.ts";
import { SseEvents } from "./sse-lines.ts";
import type { TimedBody } from "./timed-body.ts";
import { type TurnJob, Turns } from "./turns.ts";

/** Why a request failed; `code` is one of `StreamErrorCode` or "http-STATUS". */
export interface StreamError {
  readonly code: string;
  readonly message: string;
}

export interface StreamUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that the server says it found in its prefix cache. */
  readonly cachedTokens?: number;
}

export interface DecodedStream {
  /** Arrival of each event with a non-empty choices list. */
  readonly eventTimesMs: readonly number[];
  /** Tokens of each of those events, where the server counts them. */
  readonly eventTokens: readonly number[] | undefined;
  readonly usage: StreamUsage | undefined;
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
  prompt_tokens_details: z.looseObject({ cached_tokens: z.number().nullish() }).nullish(),
});
const eventSchema = z.looseObject({
  choices: z.array(choiceSchema).nullish(),
  usage: usageSchema.nullish(),
  error: z.union([z.string(), z.looseObject({ message: z.string().nullish() })]).nullish(),
});
type StreamEvent = z.infer<typeof eventSchema>;
type Choice = z.infer<typeof choiceSchema>;

/** Events decoded before the clock is looked at. */
const eventsPerStep = 16;

/** One for all answers of this thread: their decoding takes turns with the reading of sockets. */
const turns = new Turns();

/**
 * Decodes a whole answer between reads of other answers, and gives its memory back: the body is
 * empty afterwards.
 */
export function decodeCompletionStream(body: TimedBody): Promise<DecodedStream> {
  return new Promise((resolve) => turns.add(new DecodeJob(body, resolve)));
}

/** Most events differ from the one before in their text alone; others go through the JSON parser. */
class DecodeJob implements TurnJob {
  readonly bytes: number;
  readonly #body: TimedBody;
  readonly #bytes: Buffer;
  readonly #events: SseEvents;
  readonly #timeAt: (offset: number) => number;
  readonly #decoder = new CompletionDecoder();
  readonly #resolve: (decoded: DecodedStream) => void;
  #template: EventTemplate | undefined;
  #templatesLeft = 4;

  constructor(body: TimedBody, resolve: (decoded: DecodedStream) => void) {
    this.#body = body;
    this.#bytes = body.bytes;
    this.bytes = this.#bytes.length;
    this.#events = new SseEvents(this.#bytes);
    this.#timeAt = body.times();
    this.#resolve = resolve;
  }

  step(): boolean {
    for (let count = 0; count < eventsPerStep; count++) {
      if (this.#takeAlike()) continue;
      if (this.#takeParsed()) continue;
      this.#resolve(this.#decoder.finish());
      this.#body.release();
      return true;
    }
    return false;
  }

  /** @returns whether the next event was one of the template's shape */
  #takeAlike(): boolean {
    if (this.#template === undefined) return false;
    const end = this.#template.match(this.#bytes, this.#events.offset);
    if (end < 0) return false;
    const text = this.#template.textIn(this.#bytes);
    if (text === undefined) return false;
    this.#events.offset = end;
    this.#decoder.addText(text, this.#timeAt(end - 1));
    return true;
  }

  /** @returns whether there was an event */
  #takeParsed(): boolean {
    const start = this.#events.offset;
    const data = this.#events.next();
    if (data === undefined) return false;
    // An event's time is that of the bytes which completed it.
    const text = this.#decoder.add(data, this.#timeAt(this.#events.endOffset));
    if (text !== undefined && this.#templatesLeft > 0) {
      this.#templatesLeft--;
      const raw = this.#bytes.subarray(start, this.#events.offset);
      this.#template = EventTemplate.of(raw, text) ?? this.#template;
    }
    return true;
  }
}

/** The state of one answer's decoding. */
class CompletionDecoder {
  readonly #eventTimesMs: number[] = [];
  /** Only of events that say how many. */
  readonly #eventTokens: number[] = [];
  #text = "";
  #usage: StreamUsage | undefined;
  #finishReason: string | undefined;
  #error: StreamError | undefined;
  #done = false;

  finish(): DecodedStream {
    const isCounted = this.#eventTokens.length === this.#eventTimesMs.length;
    return {
      eventTimesMs: this.#eventTimesMs,
      eventTokens: isCounted ? this.#eventTokens : undefined,
      usage: this.#usage,
      finishReason: this.#finishReason,
      text: this.#text,
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

  /** An event that says nothing but its text. */
  addText(text: string, atMs: number): void {
    this.#eventTimesMs.push(atMs);
    this.#text += text;
  }

  /** @returns the text of an event that says nothing else */
  add(data: string, atMs: number): string | undefined {
    if (data === "[DONE]") {
      this.#done = true;
      return undefined;
    }
    const event = parseEvent(data);
    if (event === undefined) {
      this.#error ??= {
        code: "malformed-stream",
        message: `event ${this.#eventTimesMs.length} is not a completion chunk: ${excerpt(data)}`,
      };
      return undefined;
    }
    if (event.error != null) this.#error ??= serverError(event.error);
    this.#onOutput(event, atMs);
    return onlyTextOf(event);
  }

  #onOutput(event: StreamEvent, atMs: number): void {
    const before = this.#usage?.completionTokens ?? 0;
    const { usage } = event;
    if (usage != null) {
      const cachedTokens = usage.prompt_tokens_details?.cached_tokens;
      this.#usage = {
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens ?? before,
        ...(cachedTokens == null ? {} : { cachedTokens }),
      };
    }
    const choice = event.choices?.[0];
    if (choice === undefined) return;
    this.#eventTimesMs.push(atMs);
    // Servers count a chunk's tokens by listing their ids, or by a running usage.
    const running = usage?.completion_tokens;
    const count = choice.token_ids?.length ?? (running == null ? undefined : running - before);
    if (count !== undefined) this.#eventTokens.push(count);
    this.#text += choice.text ?? choice.delta?.content ?? "";
    this.#finishReason = choice.finish_reason ?? this.#finishReason;
  }
}

function onlyTextOf({ choices, error, usage }: StreamEvent): string | undefined {
  const choice = choices?.[0];
  if (choice === undefined || choices?.length !== 1 || error != null || usage != null) {
    return undefined;
  }
  if (choice.finish_reason != null || choice.token_ids != null) return undefined;
  return choice.text ?? choice.delta?.content ?? undefined;
}

function parseEvent(data: string): StreamEvent | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (isPlainChunk(value)) return value;
    return eventSchema.parse(value);
  } catch {
    return undefined;
  }
}

/**
 * Whether the value is the chunk that nearly every event is: one choice of text, nothing else. Asked
 * first because the whole schema takes several times as long as parsing the JSON.
 */
function isPlainChunk(value: unknown): value is StreamEvent {
  if (typeof value !== "object" || value === null || !("choices" in value)) return false;
  const { choices } = value;
  if ("error" in value || ("usage" in value && value.usage !== null)) return false;
  return Array.isArray(choices) && choices.length === 1 && isPlainChoice(choices[0]);
}

function isPlainChoice(choice: unknown): choice is Choice {
  if (typeof choice !== "object" || choice === null) return false;
  if ("token_ids" in choice && choice.token_ids !== null) return false;
  const hasText = "text" in choice && typeof choice.text === "string" && !("delta" in choice);
  const hasDelta = "delta" in choice && isPlainDelta(choice.delta) && !("text" in choice);
  if (!hasText && !hasDelta) return false;
  return (
    !("finish_reason" in choice) ||
    choice.finish_reason === null ||
    typeof choice.finish_reason === "string"
  );
}

function isPlainDelta(delta: unknown): boolean {
  if (typeof delta !== "object" || delta === null) return false;
  return "content" in delta && typeof delta.content === "string";
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
