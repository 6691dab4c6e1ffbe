import { describe, expect, test } from "vitest";
import { startFakeServing } from "../../test/fakes/serving.ts";
import { chatChunkSchema, chatCompletionSchema, completionSchema } from "../openai/schemas.ts";

const { app, host } = await startFakeServing({ limits: { maxModelLen: 128 } });

async function post(url: string, payload: object) {
  const response = await app.inject({ method: "POST", url, payload });
  expect([response.statusCode, response.statusCode === 200 ? "" : response.body]).toEqual([
    200,
    "",
  ]);
  return response;
}
const complete = async (fields: object) =>
  completionSchema.parse(
    (
      await post("/v1/completions", { prompt: "Hello", temperature: 0, max_tokens: 6, ...fields })
    ).json(),
  );
const messages = [{ role: "user", content: "Hello" }];
const chat = async (fields: object) =>
  chatCompletionSchema.parse(
    (
      await post("/v1/chat/completions", { messages, temperature: 0, max_tokens: 6, ...fields })
    ).json(),
  );

/** The JSON of each event of a stream that ended with the closing word. */
async function streamed(url: string, payload: object): Promise<unknown[]> {
  const { body } = await post(url, { ...payload, stream: true });
  const data = body.split("\n\n").map((block) => block.replace(/^data: /, ""));
  expect(data.slice(-2)).toEqual(["[DONE]", ""]);
  return data.slice(0, -2).map((text) => JSON.parse(text));
}

describe("several answers", () => {
  test("each prompt of a list gets what it gets alone, by index", async () => {
    const prompts = ["Hello", "Other", "third"];
    const alone = await Promise.all(prompts.map((prompt) => complete({ prompt })));
    const together = await complete({ prompt: prompts });
    expect(together.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(together.choices.map((choice) => choice.text)).toEqual(
      alone.map(({ choices }) => choices[0]?.text),
    );
    expect(together.usage).toEqual({ prompt_tokens: 15, completion_tokens: 18, total_tokens: 33 });
    const ids = await complete({ prompt: [[40, 69, 76, 76, 79], [7]] });
    expect(ids.choices[0]?.text).toBe(alone[0]?.choices[0]?.text);
  });

  test("n draws differ, are those of seeds that count up, and share the prompt's count", async () => {
    const drawn = { temperature: 1, max_tokens: 12 };
    const three = await complete({ ...drawn, seed: 5, n: 3 });
    const texts = three.choices.map((choice) => choice.text);
    expect(new Set(texts).size).toBe(3);
    const second = await complete({ ...drawn, seed: 6 });
    expect(second.choices[0]?.text).toBe(texts[1]);
    expect(three.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 36 });
  });

  test("a stream of several names each event's choice and ends once", async () => {
    const wanted = { prompt: ["Hello", "Other"], n: 2, temperature: 1, seed: 1, max_tokens: 5 };
    const whole = await complete(wanted);
    const events = (
      await streamed("/v1/completions", { ...wanted, stream_options: { include_usage: true } })
    ).map((event) => completionSchema.parse(event));
    const texts = ["", "", "", ""];
    for (const { choices } of events) {
      for (const { index, text } of choices) texts[index] += text;
    }
    expect(texts).toEqual(whole.choices.map((choice) => choice.text));
    expect(events).toHaveLength(21);
    expect(events.at(-1)?.usage).toEqual(whole.usage);
  });

  test("a list of which one prompt is refused starts none", async () => {
    const before = await host.refreshStats();
    const response = await app.inject({
      method: "POST",
      url: "/v1/completions",
      payload: { prompt: ["ok", "x".repeat(200)], max_tokens: 5 },
    });
    expect(response.statusCode).toBe(400);
    const after = await host.refreshStats();
    expect(after).toMatchObject({ running: 0, waiting: 0, blocksUsed: 0 });
    expect(after.generatedTokens - before.generatedTokens).toBeLessThanOrEqual(1);
  });
});

describe("logprobs of completions", () => {
  test("one entry a token, the chosen one among the top, offsets into the text", async () => {
    const { choices } = await complete({ logprobs: 2 });
    const { text, logprobs } = choices[0] ?? {};
    expect(logprobs?.tokens.join("")).toBe(text);
    expect(logprobs?.text_offset).toEqual([0, 1, 2, 3, 4, 5]);
    logprobs?.token_logprobs.forEach((logprob, i) => {
      // Greedy: the chosen token is the most likely one.
      const top = logprobs.top_logprobs?.[i] ?? {};
      expect(Math.max(...Object.values(top))).toBe(logprob);
      expect(top[logprobs.tokens[i] ?? ""]).toBe(logprob);
      expect(Object.keys(top)).toHaveLength(2);
    });
  });

  test("0 gives the chosen tokens alone", async () => {
    const { choices } = await complete({ logprobs: 0 });
    expect(choices[0]?.logprobs?.token_logprobs).toHaveLength(6);
    expect(choices[0]?.logprobs?.top_logprobs).toBeNull();
  });

  test("with echo the prompt comes first, its first token without a logprob", async () => {
    const { choices } = await complete({ logprobs: 1, echo: true });
    const plain = await complete({ logprobs: 1 });
    const { text, logprobs } = choices[0] ?? {};
    expect(text).toBe(`Hello${plain.choices[0]?.text}`);
    expect(logprobs?.tokens.join("")).toBe(text);
    expect(logprobs?.text_offset).toEqual(Array.from({ length: 11 }, (_, i) => i));
    expect(logprobs?.token_logprobs[0]).toBeNull();
    expect(logprobs?.top_logprobs?.[0]).toBeNull();
    expect(logprobs?.token_logprobs.slice(5)).toEqual(plain.choices[0]?.logprobs?.token_logprobs);
    // What the model says of "o" after "Hell" does not depend on who wrote "o".
    const shorter = await complete({ prompt: "Hell", logprobs: 20, max_tokens: 1 });
    const said = shorter.choices[0]?.logprobs?.top_logprobs?.[0]?.o;
    if (said !== undefined) expect(logprobs?.token_logprobs[4]).toBeCloseTo(said, 9);
    expect(logprobs?.token_logprobs[4]).toBeLessThan(0);
  });

  test("echo with max_tokens 0 scores the prompt alone", async () => {
    const fields = { logprobs: 1, echo: true, max_tokens: 0, prompt: ["Hello", "By"] };
    const { choices, usage } = await complete(fields);
    expect(choices.map((choice) => choice.text)).toEqual(["Hello", "By"]);
    expect(choices.map((choice) => choice.logprobs?.tokens.length)).toEqual([5, 2]);
    expect(usage).toEqual({ prompt_tokens: 7, completion_tokens: 0, total_tokens: 7 });
  });

  test("a stream carries the same, event by event", async () => {
    const fields = { prompt: "Hello", temperature: 0, max_tokens: 6, logprobs: 1, echo: true };
    const whole = await complete(fields);
    const events = (await streamed("/v1/completions", fields)).map((e) =>
      completionSchema.parse(e),
    );
    const parts = events.map((event) => event.choices[0]);
    expect(parts.map((part) => part?.text).join("")).toBe(whole.choices[0]?.text);
    for (const list of ["tokens", "token_logprobs", "text_offset"] as const) {
      const joined = parts.flatMap((part) => part?.logprobs?.[list] as unknown[]);
      expect(joined).toEqual(whole.choices[0]?.logprobs?.[list]);
    }
  });

  test("prompt_logprobs come by token id, with rank", async () => {
    const { choices } = await complete({ prompt_logprobs: 1, return_token_ids: true });
    const rows = choices[0]?.prompt_logprobs ?? [];
    expect(rows).toHaveLength(5);
    expect(rows[0]).toBeNull();
    // "e" is token 69: there whether or not it is the most likely one.
    expect(rows[1]?.["69"]).toMatchObject({ decoded_token: "e" });
    const best = Object.values(rows[1] ?? {}).find(({ rank }) => rank === 1);
    expect(best?.logprob).toBeGreaterThanOrEqual(rows[1]?.["69"]?.logprob ?? 0);
    expect(choices[0]?.token_ids).toHaveLength(6);
  });
});

describe("logprobs of chats", () => {
  test("one entry a token with its bytes, and as many top ones as asked for", async () => {
    const { choices } = await chat({ logprobs: true, top_logprobs: 3 });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content.map((entry) => entry.token).join("")).toBe(choices[0]?.message.content);
    for (const entry of content) {
      expect(entry.bytes).toEqual([entry.token.charCodeAt(0)]);
      expect(entry.top_logprobs).toHaveLength(3);
      expect(entry.top_logprobs[0]?.logprob).toBe(entry.logprob);
    }
  });

  test("a stream carries them, and n choices", async () => {
    const fields = { messages, max_tokens: 4, logprobs: true, n: 2, seed: 1 };
    const whole = await chat({ ...fields, temperature: 1 });
    const events = (await streamed("/v1/chat/completions", fields)).map((event) =>
      chatChunkSchema.parse(event),
    );
    for (const index of [0, 1]) {
      const parts = events.flatMap(({ choices }) => choices.filter((c) => c.index === index));
      expect(parts.flatMap((part) => part.logprobs?.content ?? [])).toEqual(
        whole.choices[index]?.logprobs?.content,
      );
      expect(parts.map((part) => part.delta.role)).toEqual([
        "assistant",
        undefined,
        undefined,
        undefined,
      ]);
    }
  });
});

describe("sampling fields", () => {
  test("logit_bias decides, penalties and min_p reach the engine", async () => {
    const forced = await complete({ logit_bias: { 33: 100 } });
    expect(forced.choices[0]?.text).toBe("AAAAAA");
    const bias = { logit_bias: { 33: 100, 34: 98 } };
    const penalized = await complete({ ...bias, frequency_penalty: 2 });
    expect(penalized.choices[0]?.text).toContain("B");
    const present = await complete({ ...bias, presence_penalty: 2, max_tokens: 2 });
    expect(present.choices[0]?.text[0]).toBe("A");
    const repeated = await complete({
      ...bias,
      prompt: "A",
      repetition_penalty: 1.5,
      max_tokens: 1,
    });
    expect(repeated.choices[0]?.text).toBe("B");
    const greedy = await complete({});
    const narrow = await complete({ temperature: 1, min_p: 1, seed: 9 });
    expect(narrow.choices[0]?.text).toBe(greedy.choices[0]?.text);
  });
});

describe("tokens and text", () => {
  test("/tokenize and /detokenize are each other's inverse", async () => {
    const { tokens, ...rest } = (await post("/tokenize", { prompt: "Hi!" })).json();
    expect(rest).toEqual({ count: 3, max_model_len: 128, token_strs: null });
    expect((await post("/detokenize", { tokens })).json()).toEqual({ prompt: "Hi!" });
    const conversation = (await post("/tokenize", { messages, return_token_strs: true })).json();
    expect(conversation.token_strs.join("")).toBe("Hello");
  });

  test("an unknown token id is refused", async () => {
    const url = "/detokenize";
    const response = await app.inject({ method: "POST", url, payload: { tokens: [95] } });
    expect(response.statusCode).toBe(400);
    expect(response.json().error.message).toBe("tokens holds 95; token ids go from 0 to 94");
  });
});

test("prefix caching shows in usage and in /metrics", async () => {
  const own = await startFakeServing({ prefixCaching: true });
  const payload = { prompt: "a prompt long enough", max_tokens: 2 };
  const ask = async () =>
    (await own.app.inject({ method: "POST", url: "/v1/completions", payload })).json().usage;
  expect((await ask()).prompt_tokens_details).toBeUndefined();
  expect((await ask()).prompt_tokens_details).toEqual({ cached_tokens: 16 });
  const page = (await own.app.inject("/metrics")).body;
  expect(page).toMatch(/vllm:prefix_cache_queries_total\{.*\} 40/);
  expect(page).toMatch(/vllm:prefix_cache_hits_total\{.*\} 16/);
});
