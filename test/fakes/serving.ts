/** The real HTTP application over the in-process engine: for tests of the server's side. */
import type { FastifyInstance } from "fastify";
import { systemClock } from "../../src/base/clock.ts";
import { createApp } from "../../src/server/app.ts";
import { type FakeEngine, type FakeEngineOptions, startFakeEngine } from "./in-process-engine.ts";
import { letterCodec } from "./letter-codec.ts";

export interface FakeServing extends FakeEngine {
  readonly app: FastifyInstance;
}

export async function startFakeServing(
  options: FakeEngineOptions & { readonly apiKey?: string } = {},
): Promise<FakeServing> {
  const fake = await startFakeEngine({ vocabSize: 95, ...options });
  const app = createApp({
    host: fake.host,
    codec: letterCodec,
    modelName: "letters",
    version: "0.0.0",
    threads: 1,
    isa: "portable",
    clock: systemClock,
    apiKey: options.apiKey,
  });
  return { ...fake, app };
}
