/** POST /v1/chat/completions. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { QuantlabError } from "../base/errors.ts";
import { type ChatRequest, chatRequestSchema, parseRequest } from "../openai/requests.ts";
import type { ChatChunk, ChatCompletion } from "../openai/schemas.ts";
import { knownTokens } from "./completions.ts";
import { type Choice, type Piece, startChoices, totalUsage, usageOf } from "./generation.ts";
import { toChatLogprobs } from "./logprobs.ts";
import { requireModel } from "./models.ts";
import { toSamplingParams } from "./sampling.ts";
import type { Service } from "./service.ts";
import { gatherChoices, streamChoices, type Wire } from "./stream.ts";

export function addChat(app: FastifyInstance, service: Service): void {
  app.post("/v1/chat/completions", async (http, reply) => {
    const request = parseRequest(chatRequestSchema, http.body);
    requireModel(service, request.model);
    const tokenIds = service.codec.encodeChat(request.messages);
    const maxTokens = maxTokensOf(service, request, tokenIds.length);
    const answer = new ChatAnswer(service, request);
    const choices = startChoices(service, {
      id: answer.id,
      prompts: [{ tokenIds }],
      n: request.n ?? 1,
      stop: request.stop,
      paramsOf: (_, index) =>
        toSamplingParams({
          request,
          maxTokens,
          vocabSize: service.host.facts.limits.vocabSize,
          logprobs: request.logprobs === true ? (request.top_logprobs ?? 0) : undefined,
          answer: index,
        }),
    });
    if (request.stream === true) {
      await streamChoices(reply, choices, answer.wire(choices), service.clock);
      return reply;
    }
    const gathered = await gatherChoices(reply, choices);
    if (gathered === undefined) return reply.hijack();
    return answer.whole(choices, gathered);
  });
}

/** Left open, the answer may fill the context. */
function maxTokensOf({ host }: Service, request: ChatRequest, promptTokens: number): number {
  const asked = request.max_completion_tokens ?? request.max_tokens;
  if (asked !== undefined) return asked;
  const { maxModelLen, blocks, blockSize } = host.facts.limits;
  const left = Math.min(maxModelLen, blocks * blockSize) - promptTokens;
  if (left < 1) {
    throw new QuantlabError(
      "request-too-long",
      `the conversation has ${promptTokens} tokens; this server's max-model-len is ${maxModelLen}`,
      { hint: "shorten the conversation, or serve with a larger --max-model-len" },
    );
  }
  return left;
}

/** Writes one request's answer. */
class ChatAnswer {
  readonly id = `chatcmpl-${randomUUID()}`;
  readonly #service: Service;
  readonly #request: ChatRequest;
  readonly #base: { readonly id: string; readonly created: number; readonly model: string };

  constructor(service: Service, request: ChatRequest) {
    this.#service = service;
    this.#request = request;
    const created = Math.floor(service.clock.wallMs() / 1000);
    this.#base = { id: this.id, created, model: service.modelName };
  }

  /** The role comes with the first token, not before it: an event without output is no first token. */
  wire(choices: readonly Choice[]): Wire {
    const { n = 1, stream_options } = this.#request;
    const { include_usage, continuous_usage_stats } = stream_options ?? {};
    const object = "chat.completion.chunk" as const;
    return {
      toChunk: (piece, choice): ChatChunk => ({
        ...this.#base,
        object,
        choices: [
          {
            index: choice.index,
            delta:
              piece.completionTokens === 1
                ? { role: "assistant", content: piece.text }
                : { content: piece.text },
            ...this.#about([piece]),
          },
        ],
        ...(continuous_usage_stats
          ? { usage: usageOf(choice.promptTokenIds.length, piece) }
          : include_usage
            ? { usage: null }
            : {}),
      }),
      closing: (answers) =>
        include_usage
          ? { ...this.#base, object, choices: [], usage: totalUsage(choices, n, answers) }
          : undefined,
    };
  }

  whole(choices: readonly Choice[], gathered: readonly (readonly Piece[])[]): ChatCompletion {
    const answers = gathered.map((pieces) => ({
      completionTokens: pieces.at(-1)?.completionTokens ?? 0,
      cachedTokens: pieces[0]?.cachedTokens ?? 0,
    }));
    return {
      ...this.#base,
      object: "chat.completion",
      choices: choices.map(({ index }, i) => {
        const pieces = gathered[i] ?? [];
        const content = pieces.map((piece) => piece.text).join("");
        return { index, message: { role: "assistant", content }, ...this.#about(pieces) };
      }),
      usage: totalUsage(choices, this.#request.n ?? 1, answers),
    };
  }

  /** What a choice says beside its text. */
  #about(pieces: readonly Piece[]) {
    const tokens = knownTokens(pieces);
    const { logprobs, return_token_ids } = this.#request;
    return {
      logprobs: logprobs === true ? toChatLogprobs(tokens, this.#service.codec) : null,
      finish_reason: pieces.at(-1)?.finishReason ?? null,
      ...(return_token_ids ? { token_ids: tokens.map(({ tokenId }) => tokenId) } : {}),
    };
  }
}
