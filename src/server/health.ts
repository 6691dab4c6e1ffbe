/** What a supervisor asks: is it alive, what is it, how is it doing. */
import type { FastifyInstance } from "fastify";
import { type Service, serverFacts } from "./service.ts";

export function addHealth(app: FastifyInstance, service: Service): void {
  // An empty 200, or 503 once the engine is gone: as vLLM answers.
  app.get("/health", async (_, reply) => reply.code(service.host.alive ? 200 : 503).send());
  app.get("/version", async () => ({ version: service.version }));
  app.get("/quantlab/facts", async () => serverFacts(service));
  app.get("/metrics", async (_, reply) =>
    reply.type(service.metrics.contentType).send(await service.metrics.render()),
  );
}
