/** The server under clients that misbehave, a cache too small, and sockets by the thousand. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Random } from "../../src/base/random.ts";
import { connectEngine } from "../../src/engine/host.ts";
import { engineDefaults } from "../../src/engine/load-engine.ts";
import { openWorkerChannel } from "../../src/engine/worker-channel.ts";
import { completionSchema } from "../../src/openai/schemas.ts";
import { createApp, listen, shutDown } from "../../src/server/app.ts";
import { letterCodec } from "../fakes/letter-codec.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type StartedServer, startServer } from "../quantlab-process.ts";
import { abuse } from "./abuse.ts";

/** `bench/abuse.mjs` sets it to 50,000 and reads the lines that are printed. */
const abuseCount = Number(process.env.QUANTLAB_ABUSE_REQUESTS ?? 250);
/** Growth of the server's memory after the first fifth of a long abuse. */
const memoryGrowthLimitBytes = 48e6;

const factsSchema = z.looseObject({
  kvCache: z.looseObject({ usedBlocks: z.number(), blocks: z.number() }),
  memory: z.looseObject({ residentBytes: z.number() }),
  engine: z.looseObject({ preemptions: z.number() }),
});

async function factsOf(baseUrl: string) {
  return factsSchema.parse(await (await fetch(`${baseUrl}/quantlab/facts`)).json());
}

/** Whatever happened before, nothing of it is left. */
async function expectIdle(baseUrl: string): Promise<void> {
  const page = async () => (await fetch(`${baseUrl}/metrics`)).text();
  for (const gauge of ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"]) {
    await expect
      .poll(page, { timeout: 30_000 })
      .toMatch(new RegExp(`^vllm:${gauge}\\{.*\\} 0$`, "m"));
  }
  expect((await factsOf(baseUrl)).kvCache.usedBlocks).toBe(0);
}

async function complete(baseUrl: string, body: object) {
  const response = await fetch(`${baseUrl}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

describe("a small server", () => {
  let server: StartedServer;
  beforeAll(async () => {
    // 61 blocks of 16 tokens: a quarter of what 16 sequences of 256 tokens would fill.
    const cache = ["--kv-cache-memory", "0.5MB", "--max-model-len", "256", "--max-num-seqs", "16"];
    server = await startServer(...cache);
  });
  afterAll(() => server.process.destroy());

  test("a cache that runs out preempts, and every answer is the one of an empty server", async () => {
    const request = (i: number) => ({
      prompt: Array.from({ length: 90 }, (_, j) => (i * 31 + j * 7) % 256),
      max_tokens: 100,
      temperature: 1,
      seed: i,
      ignore_eos: true,
      return_token_ids: true,
    });
    const numbers = [...Array(12).keys()];
    const alone: unknown[] = [];
    for (const i of numbers) {
      const { body } = await complete(server.baseUrl, request(i));
      alone.push(completionSchema.parse(body).choices[0]?.token_ids);
    }
    expect((await factsOf(server.baseUrl)).engine.preemptions).toBe(0);
    const pressed = await Promise.all(numbers.map((i) => complete(server.baseUrl, request(i))));
    const tokens = pressed.map(({ body }) => completionSchema.parse(body).choices[0]?.token_ids);
    expect((await factsOf(server.baseUrl)).engine.preemptions).toBeGreaterThan(0);
    expect(tokens).toEqual(alone);
    await expectIdle(server.baseUrl);
  });

  test("a thousand idle connections do not keep anyone out", async () => {
    const { hostname, port } = new URL(server.baseUrl);
    const sockets: Socket[] = [];
    for (let i = 0; i < 1000; i += 100) {
      const batch = Array.from({ length: 100 }, () => connect(Number(port), hostname));
      await Promise.all(
        batch.map((socket) => new Promise((resolve) => socket.once("connect", resolve))),
      );
      sockets.push(...batch);
    }
    expect((await complete(server.baseUrl, { prompt: "a", max_tokens: 2 })).status).toBe(200);
    expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(1000);
    for (const socket of sockets) socket.destroy();
  });

  test("a client that does not read keeps nobody waiting, and nothing when it goes", async () => {
    const { hostname, port } = new URL(server.baseUrl);
    const body = JSON.stringify({ prompt: "a", max_tokens: 150, n: 4, logprobs: 20, stream: true });
    const socket = connect(Number(port), hostname).pause();
    socket.on("error", () => {});
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect((await complete(server.baseUrl, { prompt: "b", max_tokens: 9 })).status).toBe(200);
    socket.destroy();
    await expectIdle(server.baseUrl);
  });

  test(`nothing is left of ${abuseCount} requests of mixed abuse`, async () => {
    const random = new Random(6);
    const resident: number[] = [];
    for (let part = 0; part < 5; part++) {
      await abuse(server.baseUrl, abuseCount / 5, 16, random);
      await expectIdle(server.baseUrl);
      resident.push((await factsOf(server.baseUrl)).memory.residentBytes);
    }
    if (abuseCount < 5000) return;
    const megabytes = resident.map((bytes) => (bytes / 1e6).toFixed(0));
    process.stdout.write(`resident MB after each fifth: ${megabytes.join(", ")}\n`);
    expect((resident[4] ?? 0) - (resident[0] ?? 0)).toBeLessThan(memoryGrowthLimitBytes);
  }, 600_000);
});

test("the engine's thread is killed: streams end with an error, the server says that it is ill", async () => {
  const channel = openWorkerChannel({ ...engineDefaults, model: "dummy:tiny" });
  const host = await connectEngine(channel, 10, () => {});
  const app = createApp({
    ...{ host, codec: letterCodec, modelName: "tiny", version: "0", threads: 1, isa: "any" },
    ...{ clock: systemClock, apiKey: undefined },
  });
  const baseUrl = await listen(app, "127.0.0.1", 0);
  const response = await fetch(`${baseUrl}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: [1], max_tokens: 2000, stream: true, ignore_eos: true }),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  await reader?.read();
  await channel.terminate();
  let text = "";
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    text += part.value;
  }
  expect(text).toContain('"code":"engine_stopped"');
  expect(text).not.toContain("[DONE]");
  expect((await fetch(`${baseUrl}/health`)).status).toBe(503);
  expect((await complete(baseUrl, { prompt: [1] })).status).toBe(503);
  await shutDown(app, { host }, Promise.resolve());
});
