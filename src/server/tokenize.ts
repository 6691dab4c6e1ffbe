/** POST /tokenize and /detokenize, as vLLM has them. */
import type { FastifyInstance } from "fastify";
import { QuantlabError } from "../base/errors.ts";
import {
  detokenizeRequestSchema,
  parseRequest,
  tokenizeRequestSchema,
} from "../openai/requests.ts";
import { requireModel } from "./models.ts";
import type { Service } from "./service.ts";

export function addTokenize(app: FastifyInstance, service: Service): void {
  const { codec, host } = service;
  const { maxModelLen, vocabSize } = host.facts.limits;
  app.post("/tokenize", async (http) => {
    const request = parseRequest(tokenizeRequestSchema, http.body);
    requireModel(service, request.model);
    const tokens =
      "messages" in request
        ? codec.encodeChat(request.messages)
        : codec.encode(request.prompt, request.add_special_tokens ?? true);
    return {
      count: tokens.length,
      max_model_len: maxModelLen,
      tokens,
      token_strs: request.return_token_strs ? tokens.map((id) => codec.decode([id])) : null,
    };
  });
  app.post("/detokenize", async (http) => {
    const request = parseRequest(detokenizeRequestSchema, http.body);
    requireModel(service, request.model);
    const unknown = request.tokens.find((id) => id >= vocabSize);
    if (unknown === undefined) return { prompt: codec.decode(request.tokens) };
    throw new QuantlabError(
      "request-invalid",
      `tokens holds ${unknown}; token ids go from 0 to ${vocabSize - 1}`,
    );
  });
}
