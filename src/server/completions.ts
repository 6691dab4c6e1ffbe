/** POST /v1/completions. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import {
  type Completion,
  type CompletionRequest,
  completionRequestSchema,
  parseRequest,
} from "../openai/schemas.ts";
import { type Generation, type Piece, startGeneration } from "./generation.ts";
import { requireModel } from "./models.ts";
import type { Service } from "./service.ts";
import { gatherPieces, streamPieces } from "./stream.ts";

/** OpenAI's default for this endpoint. */
const defaultMaxTokens = 16;

export function addCompletions(app: FastifyInstance, service: Service): void {
  app.post("/v1/completions", async (http, reply) => {
    const request = parseRequest(completionRequestSchema, http.body);
    requireModel(service, request.model);
    const generation = startGeneration(service, {
      id: `cmpl-${randomUUID()}`,
      promptTokenIds: promptTokenIds(service, request),
      maxTokens: request.max_tokens ?? defaultMaxTokens,
      request,
    });
    const { chunk, closing } = chunksOf(service, generation, request);
    if (request.stream === true) {
      await streamPieces(reply, generation, chunk, closing);
      return reply;
    }
    const gathered = await gatherPieces(reply, generation);
    if (gathered === undefined) return reply.hijack();
    const { text, last } = gathered;
    return { ...chunk({ ...last, text }), usage: last.usage };
  });
}

function promptTokenIds({ codec }: Service, request: CompletionRequest): readonly number[] {
  const { prompt } = request;
  return typeof prompt === "string"
    ? codec.encode(prompt, request.add_special_tokens ?? true)
    : prompt;
}

function chunksOf(service: Service, generation: Generation, request: CompletionRequest) {
  const { include_usage, continuous_usage_stats } = request.stream_options ?? {};
  const base = {
    id: generation.id,
    object: "text_completion" as const,
    created: generation.createdSeconds,
    model: service.modelName,
  };
  const chunk = ({ text, finishReason, usage }: Piece): Completion => ({
    ...base,
    choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason ?? null }],
    ...(continuous_usage_stats ? { usage } : include_usage ? { usage: null } : {}),
  });
  const closing = (last: Piece | undefined): Completion | undefined =>
    include_usage && last ? { ...base, choices: [], usage: last.usage } : undefined;
  return { chunk, closing };
}
