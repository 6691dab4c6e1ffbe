/** POST /v1/chat/completions. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { QuantlabError } from "../base/errors.ts";
import {
  type ChatChunk,
  type ChatCompletion,
  type ChatRequest,
  chatRequestSchema,
  parseRequest,
} from "../openai/schemas.ts";
import { type Generation, type Piece, startGeneration } from "./generation.ts";
import { requireModel } from "./models.ts";
import type { Service } from "./service.ts";
import { gatherPieces, streamPieces } from "./stream.ts";

export function addChat(app: FastifyInstance, service: Service): void {
  app.post("/v1/chat/completions", async (http, reply) => {
    const request = parseRequest(chatRequestSchema, http.body);
    requireModel(service, request.model);
    const promptTokenIds = service.codec.encodeChat(request.messages);
    const generation = startGeneration(service, {
      id: `chatcmpl-${randomUUID()}`,
      promptTokenIds,
      maxTokens: maxTokens(service, request, promptTokenIds.length),
      request,
    });
    if (request.stream === true) {
      const { chunk, closing } = chunksOf(service, generation, request);
      await streamPieces(reply, generation, chunk, closing);
      return reply;
    }
    const gathered = await gatherPieces(reply, generation);
    if (gathered === undefined) return reply.hijack();
    return wholeAnswer(service, generation, gathered.text, gathered.last);
  });
}

/** Left open, the answer may fill the context. */
function maxTokens({ host }: Service, request: ChatRequest, promptTokens: number): number {
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

/** The role comes with the first token, not before it: an event without output is no first token. */
function chunksOf(service: Service, generation: Generation, request: ChatRequest) {
  const { include_usage, continuous_usage_stats } = request.stream_options ?? {};
  const base = {
    id: generation.id,
    object: "chat.completion.chunk" as const,
    created: generation.createdSeconds,
    model: service.modelName,
  };
  let first = true;
  const chunk = ({ text, finishReason, usage }: Piece): ChatChunk => {
    const delta = first ? { role: "assistant" as const, content: text } : { content: text };
    first = false;
    return {
      ...base,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason ?? null }],
      ...(continuous_usage_stats ? { usage } : include_usage ? { usage: null } : {}),
    };
  };
  const closing = (last: Piece | undefined): ChatChunk | undefined =>
    include_usage && last ? { ...base, choices: [], usage: last.usage } : undefined;
  return { chunk, closing };
}

function wholeAnswer(
  service: Service,
  generation: Generation,
  content: string,
  { finishReason, usage }: Piece,
): ChatCompletion {
  return {
    id: generation.id,
    object: "chat.completion",
    created: generation.createdSeconds,
    model: service.modelName,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content },
        logprobs: null,
        finish_reason: finishReason ?? null,
      },
    ],
    usage,
  };
}
