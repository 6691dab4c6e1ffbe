/** One request's way through the engine: tokens in order, each with the text it completes. */
import type { EngineRequest, TokenEvent } from "../engine/events.ts";
import type { ChatRequest, CompletionRequest, Usage } from "../openai/schemas.ts";
import type { Service } from "./service.ts";
import type { TokenDecoder } from "./text-codec.ts";

/** One token; its text may be empty where characters or stop strings are not complete yet. */
export interface Piece {
  readonly text: string;
  readonly finishReason: "stop" | "length" | "abort" | undefined;
  /** Of the request so far, this token included. */
  readonly usage: Usage;
}

export interface Generation {
  readonly id: string;
  readonly createdSeconds: number;
  /** One piece a token; ends early, without an error, after `abort`. */
  readonly pieces: AsyncIterable<Piece>;
  /** Frees the sequence; for a client that hung up. */
  abort(): void;
}

/** What both endpoints have in common once their prompt is token ids. */
export interface GenerationRequest {
  readonly id: string;
  readonly promptTokenIds: readonly number[];
  readonly maxTokens: number;
  readonly request: CompletionRequest | ChatRequest;
}

/** @throws request-too-long, request-invalid, server-busy, engine-stopped: before any output */
export function startGeneration(service: Service, wanted: GenerationRequest): Generation {
  const arrivedMs = service.clock.nowMs();
  const { stop } = wanted.request;
  const decoder = service.codec.createDecoder(typeof stop === "string" ? [stop] : (stop ?? []));
  const stream = service.host.generate(toEngineRequest(wanted));
  const events = observe(stream, service, arrivedMs);
  return {
    id: wanted.id,
    createdSeconds: Math.floor(service.clock.wallMs() / 1000),
    pieces: decode(events, decoder, wanted.promptTokenIds.length),
    abort: () => void stream.return?.(),
  };
}

function toEngineRequest({ id, promptTokenIds, maxTokens, request }: GenerationRequest) {
  const engineRequest: EngineRequest = {
    id,
    promptTokenIds,
    params: {
      maxTokens,
      minTokens: request.min_tokens ?? 0,
      temperature: request.temperature ?? 1,
      topK: Math.max(0, request.top_k ?? 0),
      topP: request.top_p ?? 1,
      seed: request.seed,
      ignoreEos: request.ignore_eos ?? false,
      stopTokenIds: request.stop_token_ids ?? [],
    },
  };
  return engineRequest;
}

/** Passes events on and reports their times; an end without a last event is an abort. */
async function* observe(
  events: AsyncIterable<TokenEvent>,
  { clock, metrics }: Service,
  arrivedMs: number,
): AsyncGenerator<TokenEvent> {
  let lastMs = arrivedMs;
  let reason = "abort";
  try {
    for await (const event of events) {
      const nowMs = clock.nowMs();
      if (event.index === 1) metrics.firstToken((nowMs - arrivedMs) / 1e3);
      else metrics.nextToken((nowMs - lastMs) / 1e3);
      lastMs = nowMs;
      // A stop string leaves from outside, right after this yield: it is an end, not an abort.
      reason = event.finishReason ?? "stop";
      yield event;
      reason = event.finishReason ?? "abort";
    }
  } finally {
    metrics.finished(reason, (clock.nowMs() - arrivedMs) / 1e3);
  }
}

async function* decode(
  events: AsyncIterable<TokenEvent>,
  decoder: TokenDecoder,
  promptTokens: number,
): AsyncGenerator<Piece> {
  for await (const { tokenId, index, finishReason } of events) {
    const usage: Usage = {
      prompt_tokens: promptTokens,
      completion_tokens: index,
      total_tokens: promptTokens + index,
    };
    // The token that ended the text (end of sequence, stop token id) is counted, not shown.
    const shown = finishReason === "stop" || finishReason === "abort" ? undefined : tokenId;
    const { text, stopped } =
      shown === undefined ? { text: "", stopped: false } : decoder.push(shown);
    if (stopped) {
      yield { text, finishReason: "stop", usage };
      return;
    }
    const rest = finishReason === undefined ? "" : decoder.finish();
    yield { text: text + rest, finishReason, usage };
  }
}
