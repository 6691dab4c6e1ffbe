/** GET /v1/models, and the check that a request names the model that is served. */
import type { FastifyInstance } from "fastify";
import { QuantlabError } from "../base/errors.ts";
import type { ModelList } from "../openai/schemas.ts";
import type { Service } from "./service.ts";

export function addModels(app: FastifyInstance, service: Service): void {
  app.get("/v1/models", async (): Promise<ModelList> => {
    const model = {
      id: service.modelName,
      object: "model" as const,
      created: service.createdSeconds,
      owned_by: "quantlab",
      max_model_len: service.host.facts.limits.maxModelLen,
    };
    return { object: "list", data: [model] };
  });
}

/** @throws model-not-served; a request without a name takes what is served */
export function requireModel({ modelName }: Service, asked: string | undefined): void {
  if (asked === undefined || asked === modelName) return;
  throw new QuantlabError("model-not-served", `this server has no model "${asked}"`, {
    hint: `it serves "${modelName}"`,
  });
}
