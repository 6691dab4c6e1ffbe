/** `quantlab serve` as its users meet it: OpenAI's own client, signals, a supervising parent. */
import { createServer } from "node:net";
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { QuantlabProcess, type StartedServer, startServer } from "../quantlab-process.ts";

const model = "dummy:tiny";

const factsSchema = z.looseObject({
  weights: z.looseObject({ totalBytes: z.number() }),
  kvCache: z.looseObject({ usedBlocks: z.number() }),
  memory: z.looseObject({ peakResidentBytes: z.number() }),
});

async function factsOf(baseUrl: string, headers: Record<string, string> = {}) {
  return factsSchema.parse(await (await fetch(`${baseUrl}/quantlab/facts`, { headers })).json());
}

describe("OpenAI's own client", () => {
  let server: StartedServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startServer("--api-key", "secret");
    client = new OpenAI({ baseURL: `${server.baseUrl}/v1`, apiKey: "secret", maxRetries: 0 });
  });
  afterAll(() => server.process.destroy());

  test("lists the model and streams a chat with its usage", async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([model]);
    const request = {
      model,
      messages: [{ role: "user" as const, content: "Hello" }],
      max_tokens: 12,
      temperature: 0,
    };
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(text).not.toBe("");
    expect(usage).toMatchObject({ completion_tokens: 12 });
    expect(usage).toMatchObject({ prompt_tokens: whole.usage?.prompt_tokens });
  });

  test("streams a completion, one event a token", async () => {
    const stream = await client.completions.create({
      model,
      prompt: "Once upon a time",
      max_tokens: 9,
      temperature: 0,
      stream: true,
    });
    const reasons: (string | null | undefined)[] = [];
    for await (const chunk of stream) reasons.push(chunk.choices[0]?.finish_reason);
    expect(reasons).toEqual([...Array(8).fill(null), "length"]);
  });

  test("its error classes fit ours", async () => {
    const prompt = { prompt: "Hi", max_tokens: 1 };
    await expect(client.completions.create({ model: "gpt-9", ...prompt })).rejects.toThrow(
      NotFoundError,
    );
    await expect(client.completions.create({ model, ...prompt, top_p: 7 })).rejects.toThrow(
      BadRequestError,
    );
    const stranger = new OpenAI({ baseURL: `${server.baseUrl}/v1`, apiKey: "guess" });
    await expect(stranger.models.list()).rejects.toThrow(AuthenticationError);
  });

  test("a reader that hangs up frees its sequence", async () => {
    const stream = await client.completions.create({
      model,
      prompt: "Hi",
      max_tokens: 2000,
      stream: true,
    });
    for await (const _ of stream) break;
    stream.controller.abort();
    const key = { authorization: "Bearer secret" };
    const used = async () => (await factsOf(server.baseUrl, key)).kvCache.usedBlocks;
    await expect.poll(used, { timeout: 20_000 }).toBe(0);
  });
});

/** A streamed completion of 2000 tokens: when its first bytes are here, and its whole text. */
function stream(baseUrl: string): { started: Promise<void>; text: Promise<string> } {
  const response = fetch(`${baseUrl}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "Hi", max_tokens: 2000, ignore_eos: true, stream: true }),
  });
  const started = response.then(() => {});
  return { started, text: response.then((answer) => answer.text()) };
}

describe("the process", () => {
  const started: QuantlabProcess[] = [];
  afterEach(async () => {
    for (const process of started.splice(0)) await process.destroy();
  });
  const start = async (...flags: string[]) => {
    const server = await startServer(...flags);
    started.push(server.process);
    return server;
  };

  test("says what it serves, and its peak memory", async () => {
    const { process, baseUrl } = await start("--format", "bf16", "--max-model-len", "256");
    await process.line("stderr", new RegExp(`listening at ${baseUrl}`));
    expect(process.stderr).toMatch(/memory +[\d.]+ MB resident at its peak/);
    expect(process.stderr).toMatch(/threads +1, /);
    expect(process.stdout).toContain('"event":"loading","fraction":1');
    const facts = await factsOf(baseUrl);
    expect(facts).toMatchObject({ model, format: "bf16", maxModelLen: 256, threads: 1 });
    expect(facts.memory.peakResidentBytes).toBeGreaterThan(facts.weights.totalBytes);
  });

  test("SIGTERM lets what runs and what waits finish, and ends with 0", async () => {
    const { process, baseUrl } = await start("--max-num-seqs", "1");
    const answers = Array.from({ length: 4 }, () => stream(baseUrl));
    await Promise.all(answers.map(({ started }) => started));
    process.kill("SIGTERM");
    const [line] = await process.line("stderr", /SIGTERM: stopping.*/);
    expect(line).toMatch(/finishing [2-4] requests/);
    for (const { text } of answers) {
      expect((await text).match(/^data: \{/gm)).toHaveLength(2000);
      expect(await text).toContain("data: [DONE]");
    }
    expect(await process.ended).toBe(0);
    expect(process.stderr).toMatch(/stopped; [\d.]+ MB resident at its peak/);
    await expect(fetch(`${baseUrl}/health`)).rejects.toThrow();
  });

  test("a second signal ends at once what runs", async () => {
    const { process, baseUrl } = await start("--max-num-seqs", "1");
    const answers = Array.from({ length: 4 }, () => stream(baseUrl));
    await Promise.all(answers.map(({ started }) => started));
    process.kill("SIGINT");
    await process.line("stderr", /SIGINT: stopping/);
    process.kill("SIGINT");
    expect(await process.ended).toBe(0);
    const texts = await Promise.all(answers.map(({ text }) => text.catch(() => "cut off")));
    expect(texts.some((text) => !text.includes("[DONE]"))).toBe(true);
  });

  test("ends with its parent", async () => {
    const { process } = await start("--exit-with-parent");
    process.hangUp();
    expect(await process.ended).toBe(0);
  });

  test("a taken port is refused before anything is loaded", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const process = new QuantlabProcess(["serve", "--model", "dummy:tiny", "--port", `${port}`]);
    started.push(process);
    expect(await process.ended).toBe(2);
    expect(process.stderr).toContain("another program listens there already");
    expect(process.stderr).not.toContain("loading");
    other.close();
  });

  test.each([
    [["--model", "dummy:gpt-9"], "there is no dummy shape"],
    [["--format", "int3"], "there is no format"],
    [["--max-model-len", "999999"], "positions"],
    [["--kv-cache-memory", "1kB"], "KV cache"],
    [["--port", "70000"], "not a port"],
  ])("%s is refused with what was expected", async (flags, message) => {
    const process = new QuantlabProcess([
      "serve",
      "--model",
      "dummy:tiny",
      "--port",
      "0",
      ...flags,
    ]);
    started.push(process);
    expect([2, 4]).toContain(await process.ended);
    expect(process.stderr).toContain(message);
    expect(process.stderr).not.toContain("a bug of ours");
  });
});
