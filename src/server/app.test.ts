import { describe, expect, test } from "vitest";
import { startFakeServing } from "../../test/fakes/serving.ts";
import {
  chatCompletionSchema,
  completionSchema,
  errorBodySchema,
  modelListSchema,
} from "../openai/schemas.ts";
import { listen, shutDown } from "./app.ts";

const { app, host } = await startFakeServing({ limits: { maxModelLen: 64 } });

async function post(url: string, payload: object) {
  const response = await app.inject({ method: "POST", url, payload });
  return { status: response.statusCode, body: response.json(), text: response.body };
}
const complete = (fields: object) =>
  post("/v1/completions", { prompt: "Hello", temperature: 0, ...fields });
const chat = (fields: object) =>
  post("/v1/chat/completions", {
    messages: [{ role: "user", content: "Hello" }],
    temperature: 0,
    ...fields,
  });

/** The JSON of each event of a stream, and whether it ended with the closing word. */
function eventsOf(body: string) {
  const data = body
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => block.replace(/^data: /, ""));
  const done = data.at(-1) === "[DONE]";
  return { done, events: data.slice(0, done ? -1 : undefined).map((text) => JSON.parse(text)) };
}

describe("POST /v1/completions", () => {
  test("answers whole, with exact usage", async () => {
    const { status, body } = await complete({ max_tokens: 7 });
    expect(status).toBe(200);
    const { choices, usage, model } = completionSchema.parse(body);
    expect(choices[0]).toMatchObject({ index: 0, finish_reason: "length" });
    expect(choices[0]?.text).toHaveLength(7);
    expect(usage).toEqual({ prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 });
    expect(model).toBe("letters");
  });

  test("text and the same prompt as token ids give the same answer", async () => {
    const text = await complete({ max_tokens: 7 });
    const ids = await complete({ prompt: [40, 69, 76, 76, 79], max_tokens: 7 });
    expect(ids.body.choices).toEqual(text.body.choices);
  });

  test("generates 16 tokens unless told otherwise", async () => {
    expect((await complete({})).body.usage.completion_tokens).toBe(16);
  });

  test("a stream has one event a token, the text of the whole answer, and usage when asked", async () => {
    const whole = (await complete({ max_tokens: 9 })).body;
    const stream = { stream: true, stream_options: { include_usage: true } };
    const { done, events } = eventsOf(
      (
        await app.inject({
          method: "POST",
          url: "/v1/completions",
          payload: { prompt: "Hello", temperature: 0, max_tokens: 9, ...stream },
        })
      ).body,
    );
    expect(done).toBe(true);
    const tokens = events.filter((event) => event.choices.length > 0);
    expect(tokens).toHaveLength(9);
    expect(tokens.map((event) => event.choices[0].text).join("")).toBe(whole.choices[0].text);
    expect(tokens.map((event) => event.usage)).toEqual(Array(9).fill(null));
    expect(tokens.map((event) => event.choices[0].finish_reason)).toEqual([
      ...Array(8).fill(null),
      "length",
    ]);
    expect(events.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
  });

  test("a stop string ends the text before it, each token still being one event", async () => {
    const free = (await complete({ max_tokens: 20 })).body.choices[0].text as string;
    const stop = free.slice(5, 8);
    const whole = (await complete({ max_tokens: 20, stop })).body;
    expect(whole.choices[0]).toMatchObject({ text: free.slice(0, 5), finish_reason: "stop" });
    expect(whole.usage.completion_tokens).toBe(8);
    const streamed = await app.inject({
      method: "POST",
      url: "/v1/completions",
      payload: { prompt: "Hello", temperature: 0, max_tokens: 20, stop: [stop], stream: true },
    });
    const { events } = eventsOf(streamed.body);
    expect(events).toHaveLength(8);
    expect(events.map((event) => event.choices[0].text).join("")).toBe(free.slice(0, 5));
    expect(await host.refreshStats()).toMatchObject({ running: 0, blocksUsed: 0 });
  });

  test("continuous usage counts up", async () => {
    const stream_options = { continuous_usage_stats: true };
    const response = await app.inject({
      method: "POST",
      url: "/v1/completions",
      payload: { prompt: "Hi", max_tokens: 3, stream: true, stream_options },
    });
    const { events } = eventsOf(response.body);
    expect(events.map((event) => event.usage.completion_tokens)).toEqual([1, 2, 3]);
  });

  test("a seed makes sampling repeatable", async () => {
    const sampled = async (seed: number) =>
      (await complete({ temperature: 1, seed, max_tokens: 20 })).body.choices[0].text;
    expect(await sampled(1)).toBe(await sampled(1));
    expect(await sampled(1)).not.toBe(await sampled(2));
  });
});

describe("POST /v1/chat/completions", () => {
  test("answers whole", async () => {
    const { body } = await chat({ max_completion_tokens: 4 });
    const { choices, usage } = chatCompletionSchema.parse(body);
    expect(choices[0]?.message.content).toHaveLength(4);
    expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 4 });
  });

  test("may fill the context when no limit is given", async () => {
    expect((await chat({})).body.usage.total_tokens).toBe(64);
  });

  test("the role comes with the first token", async () => {
    const response = await app.inject({
      method: "POST",
      url: "/v1/chat/completions",
      payload: { messages: [{ role: "user", content: "Hi" }], max_tokens: 3, stream: true },
    });
    const deltas = eventsOf(response.body).events.map((event) => event.choices[0].delta);
    expect(deltas).toHaveLength(3);
    expect(deltas.map((delta) => delta.role)).toEqual(["assistant", undefined, undefined]);
    expect(deltas.every((delta) => delta.content.length === 1)).toBe(true);
  });
});

describe("refusals", () => {
  test.each([
    ["a wrong field", { temperature: 5 }, 400, "temperature", "invalid_request"],
    ["an unsupported field", { best_of: 3 }, 400, "best_of", "invalid_request"],
    ["another model", { model: "gpt-9" }, 404, null, "model_not_found"],
    ["too many tokens", { max_tokens: 60 }, 400, null, "context_length_exceeded"],
    ["a token outside the vocabulary", { prompt: [95] }, 400, null, "invalid_request"],
    ["one bad prompt of two", { prompt: [[1], [95]] }, 400, null, "invalid_request"],
    ["a bias outside the vocabulary", { logit_bias: { 95: 1 } }, 400, null, "invalid_request"],
  ])("%s", async (_, fields, status, param, code) => {
    const answer = await complete(fields);
    expect(answer.status).toBe(status);
    expect(errorBodySchema.parse(answer.body).error).toMatchObject({ param, code });
  });

  test("a stream that cannot start is refused with its status, not inside the stream", async () => {
    expect((await complete({ stream: true, max_tokens: 60 })).status).toBe(400);
  });

  test.each([
    ["not JSON", { payload: "{", headers: { "content-type": "application/json" } }, 400],
    ["not declared as JSON", { payload: "x", headers: { "content-type": "text/xml" } }, 415],
    ["too large", { payload: { prompt: "x".repeat(8 * 2 ** 20) } }, 413],
  ])("a body that is %s", async (_, request, status) => {
    const response = await app.inject({ method: "POST", url: "/v1/completions", ...request });
    expect(response.statusCode).toBe(status);
    expect(errorBodySchema.parse(response.json()).error.type).toBe("invalid_request_error");
  });

  test("an unknown path", async () => {
    const response = await app.inject({ method: "GET", url: "/v1/nothing" });
    expect(response.statusCode).toBe(404);
    expect(errorBodySchema.parse(response.json()).error.code).toBe("not_found");
  });

  test("a full queue answers 429", async () => {
    const busy = await startFakeServing({ limits: { maxNumSeqs: 1 }, maxQueue: 0 });
    const payload = { prompt: "Hi", max_tokens: 400 };
    const send = (stream: boolean) =>
      busy.app.inject({ method: "POST", url: "/v1/completions", payload: { ...payload, stream } });
    const [first, second] = await Promise.all([send(true), send(false)]);
    expect([first.statusCode, second.statusCode].sort()).toEqual([200, 429]);
    const refused = first.statusCode === 429 ? first : second;
    expect(refused.headers["retry-after"]).toBe("1");
  });
});

describe("what a supervisor asks", () => {
  test("models, version, facts", async () => {
    const models = modelListSchema.parse((await app.inject("/v1/models")).json());
    expect(models.data[0]).toMatchObject({ id: "letters", max_model_len: 64 });
    expect((await app.inject("/version")).json()).toEqual({ version: "0.0.0" });
    const facts = (await app.inject("/quantlab/facts")).json();
    expect(facts).toMatchObject({ model: "letters", format: "bf16", trained: false });
    expect(facts.kvCache).toMatchObject({ blocks: 256, blockSize: 4, bytes: 8192 });
    expect(facts.memory.peakResidentBytes).toBeGreaterThanOrEqual(facts.memory.residentBytes);
  });

  test("metrics count what happened", async () => {
    const own = await startFakeServing();
    const url = "/v1/completions";
    await own.app.inject({ method: "POST", url, payload: { prompt: "Hello", max_tokens: 7 } });
    const page = (await own.app.inject("/metrics")).body;
    const value = (name: string) =>
      Number(new RegExp(`^${name}\\{.*\\} (.*)$`, "m").exec(page)?.[1]);
    expect(value("vllm:prompt_tokens_total")).toBe(5);
    expect(value("vllm:generation_tokens_total")).toBe(7);
    expect(value("vllm:num_requests_running")).toBe(0);
    expect(value("vllm:kv_cache_usage_perc")).toBe(0);
    expect(value("vllm:time_to_first_token_seconds_count")).toBe(1);
    expect(value("vllm:inter_token_latency_seconds_count")).toBe(6);
    expect(page).toMatch(/vllm:request_success_total\{finished_reason="length",.*\} 1/);
    // A scrape reads counters; it must not add to them.
    const again = (await own.app.inject("/metrics")).body;
    expect(/generation_tokens_total\{.*\} (.*)/.exec(again)?.[1]).toBe("7");
  });

  test("a dead engine is unhealthy and refuses with 503", async () => {
    const own = await startFakeServing();
    expect((await own.app.inject("/health")).statusCode).toBe(200);
    own.crash("power cut");
    expect((await own.app.inject("/health")).statusCode).toBe(503);
    const answer = await own.app.inject({
      method: "POST",
      url: "/v1/completions",
      payload: { prompt: "Hi" },
    });
    expect(answer.statusCode).toBe(503);
    expect(answer.json().error).toMatchObject({ code: "engine_stopped", type: "server_error" });
  });

  test("the API key guards everything but health", async () => {
    const own = await startFakeServing({ apiKey: "secret" });
    const status = async (url: string, key?: string) =>
      (
        await own.app.inject({
          url,
          headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        })
      ).statusCode;
    expect(await status("/health")).toBe(200);
    expect(await status("/v1/models")).toBe(401);
    expect(await status("/v1/models", "wrong")).toBe(401);
    expect(await status("/v1/models", "secret")).toBe(200);
  });
});

describe("listening", () => {
  test("a taken port is explained", async () => {
    const [one, two] = [await startFakeServing(), await startFakeServing()];
    const baseUrl = await listen(one.app, "127.0.0.1", 0);
    const port = Number(new URL(baseUrl).port);
    await expect(listen(two.app, "127.0.0.1", port)).rejects.toMatchObject({
      code: "usage",
      message: `cannot listen on 127.0.0.1:${port}: another program listens there already`,
    });
    await shutDown(one.app, one, Promise.resolve());
    await expect(fetch(`${baseUrl}/health`)).rejects.toThrow();
  });
});
