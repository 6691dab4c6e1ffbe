/** One answer's way through the engine: tokens in order, each with the text it completes. */
import type { SamplingParams, TokenEvent, TokenLogprobs } from "../engine/events.ts";
import type { Usage } from "../openai/schemas.ts";
import type { Service } from "./service.ts";
import type { TokenDecoder } from "./text-codec.ts";

/** One token; its text may be empty where characters or stop strings are not complete yet. */
export interface Piece {
  readonly text: string;
  /** undefined when the sequence ended without a token (aborted). */
  readonly tokenId: number | undefined;
  readonly finishReason: "stop" | "length" | "abort" | undefined;
  /** Tokens of this answer so far. */
  readonly completionTokens: number;
  readonly logprobs: TokenLogprobs | undefined;
  /** With the first piece, where asked for. */
  readonly promptLogprobs: readonly TokenLogprobs[] | undefined;
  /** Prompt tokens found in the prefix cache; with the first piece. */
  readonly cachedTokens: number;
}

/** One of a request's answers: prompt i of several, answer j of n, is choice i * n + j. */
export interface Choice {
  readonly index: number;
  readonly promptTokenIds: readonly number[];
  /** As the client sent it; undefined for token ids and chats. */
  readonly promptText: string | undefined;
  /** One piece a token; ends early, without an error, after `abort`. */
  readonly pieces: AsyncIterable<Piece>;
  /** Frees the sequence; for a client that hung up. */
  abort(): void;
}

export interface Prompt {
  readonly tokenIds: readonly number[];
  readonly text?: string | undefined;
}

export interface ChoicesWish {
  readonly id: string;
  readonly prompts: readonly Prompt[];
  /** Answers to each prompt. */
  readonly n: number;
  readonly stop: string | readonly string[] | undefined;
  /** @param answer 0 .. n - 1 */
  paramsOf(prompt: Prompt, answer: number): SamplingParams;
}

/**
 * Starts every answer of a request, or none.
 * @throws request-too-long, request-invalid, server-busy, engine-stopped: before any output
 */
export function startChoices(service: Service, wish: ChoicesWish): readonly Choice[] {
  const choices: Choice[] = [];
  try {
    for (const prompt of wish.prompts) {
      for (let answer = 0; answer < wish.n; answer++) {
        choices.push(startChoice(service, wish, prompt, answer, choices.length));
      }
    }
  } catch (error) {
    for (const choice of choices) choice.abort();
    throw error;
  }
  return choices;
}

function startChoice(
  service: Service,
  { id, stop, paramsOf }: ChoicesWish,
  prompt: Prompt,
  answer: number,
  index: number,
): Choice {
  const arrivedMs = service.clock.nowMs();
  const params = paramsOf(prompt, answer);
  const decoder = service.codec.createDecoder(typeof stop === "string" ? [stop] : (stop ?? []));
  const stream = service.host.generate({
    id: `${id}-${index}`,
    promptTokenIds: prompt.tokenIds,
    params,
  });
  const events = observe(stream, service, arrivedMs, prompt.tokenIds.length);
  return {
    index,
    promptTokenIds: prompt.tokenIds,
    promptText: prompt.text,
    pieces: decode(events, decoder),
    abort: () => void stream.return?.(),
  };
}

/** Passes events on and reports their times; an end without a last event is an abort. */
async function* observe(
  events: AsyncIterable<TokenEvent>,
  { clock, metrics }: Service,
  arrivedMs: number,
  promptTokens: number,
): AsyncGenerator<TokenEvent> {
  let firstMs = arrivedMs;
  let lastMs = arrivedMs;
  let tokens = 0;
  let reason = "abort";
  try {
    for await (const event of events) {
      const nowMs = clock.nowMs();
      if (event.index === 1) {
        metrics.firstToken((nowMs - arrivedMs) / 1e3);
        firstMs = nowMs;
      } else metrics.nextToken((nowMs - lastMs) / 1e3);
      lastMs = nowMs;
      tokens = event.index;
      // A stop string leaves from outside, right after this yield: it is an end, not an abort.
      reason = event.finishReason ?? "stop";
      yield event;
      reason = event.finishReason ?? "abort";
    }
  } finally {
    metrics.finished({
      reason,
      promptTokens,
      generatedTokens: tokens,
      seconds: (clock.nowMs() - arrivedMs) / 1e3,
      decodeSeconds: (lastMs - firstMs) / 1e3,
    });
  }
}

async function* decode(
  events: AsyncIterable<TokenEvent>,
  decoder: TokenDecoder,
): AsyncGenerator<Piece> {
  for await (const event of events) {
    const { tokenId, index, finishReason, logprobs, promptLogprobs, cachedTokens = 0 } = event;
    const about = { tokenId, completionTokens: index, logprobs, promptLogprobs, cachedTokens };
    // The token that ended the text (end of sequence, stop token id) is counted, not shown.
    const shown = finishReason === "stop" || finishReason === "abort" ? undefined : tokenId;
    const { text, stopped } =
      shown === undefined ? { text: "", stopped: false } : decoder.push(shown);
    if (stopped) {
      yield { ...about, text, finishReason: "stop" };
      return;
    }
    const rest = finishReason === undefined ? "" : decoder.finish();
    yield { ...about, text: text + rest, finishReason };
  }
}

/** Of one answer so far, its prompt included. */
export function usageOf(promptTokens: number, piece: Piece | undefined): Usage {
  return toUsage(promptTokens, piece?.completionTokens ?? 0, 0);
}

/** Of the whole request: each prompt counts once, however many answers it has. */
export function totalUsage(
  choices: readonly Choice[],
  n: number,
  answers: readonly AnswerCounts[],
): Usage {
  const prompts = choices.filter((choice) => choice.index % n === 0);
  return toUsage(
    prompts.reduce((sum, choice) => sum + choice.promptTokenIds.length, 0),
    answers.reduce((sum, answer) => sum + answer.completionTokens, 0),
    prompts.reduce((sum, { index }) => sum + (answers[index]?.cachedTokens ?? 0), 0),
  );
}

/** What one answer used, by choice. */
export interface AnswerCounts {
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

function toUsage(promptTokens: number, completionTokens: number, cachedTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(cachedTokens > 0 ? { prompt_tokens_details: { cached_tokens: cachedTokens } } : {}),
  };
}
