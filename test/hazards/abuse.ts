/** Clients that misbehave, drawn at random: what a public server meets in a day. */
import { connect } from "node:net";
import type { Random } from "../../src/base/random.ts";

/** One misbehaving request. Settles when it is over; rejects when the server answers wrongly. */
export type Abuse = (baseUrl: string, random: Random) => Promise<void>;

const model = "dummy:tiny";

function post(baseUrl: string, body: string, path = "/v1/completions", signal?: AbortSignal) {
  const headers = { "content-type": "application/json" };
  return fetch(baseUrl + path, {
    method: "POST",
    headers,
    body,
    ...(signal === undefined ? {} : { signal }),
  });
}

const prompt = (random: Random, length: number) =>
  Array.from({ length }, () => random.integer(0, 255));

function completion(random: Random, fields: object = {}): string {
  return JSON.stringify({
    model,
    prompt: prompt(random, random.integer(1, 60)),
    max_tokens: random.integer(1, 24),
    ...fields,
  });
}

/** 429 is an answer too: the queue was full. */
async function expectStatus(response: Response, ...allowed: number[]): Promise<void> {
  const text = await response.text();
  if (allowed.includes(response.status) || response.status === 429) return;
  throw new Error(`status ${response.status}, expected ${allowed}: ${text.slice(0, 200)}`);
}

/** Sends bytes that are no whole request and goes away. */
function leaveInTheMiddle(baseUrl: string, text: string): Promise<void> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(text, () => socket.destroy());
    });
    socket.once("close", () => resolve());
    socket.once("error", () => {});
  });
}

/** Ends a request at some point after it was sent; the error of the abort is what was wanted. */
async function abortAfter(baseUrl: string, body: string, chunks: number): Promise<void> {
  const abort = new AbortController();
  try {
    const response = await post(baseUrl, body, "/v1/completions", abort.signal);
    const reader = response.body?.getReader();
    for (let i = 0; i < chunks; i++) await reader?.read();
    abort.abort();
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}

export const abuses: Readonly<Record<string, Abuse>> = {
  whole: async (url, random) => expectStatus(await post(url, completion(random)), 200),
  streamed: async (url, random) => {
    const response = await post(url, completion(random, { stream: true }));
    const text = await response.text();
    if (response.status === 200 && !text.endsWith("data: [DONE]\n\n")) throw new Error("cut short");
  },
  "hangs up after some tokens": (url, random) =>
    abortAfter(url, completion(random, { stream: true, max_tokens: 60 }), random.integer(1, 4)),
  "hangs up at once": (url, random) => abortAfter(url, completion(random, { max_tokens: 60 }), 0),
  "several answers with logprobs": async (url, random) =>
    expectStatus(await post(url, completion(random, { n: 3, logprobs: 3, stream: true })), 200),
  "several prompts, echoed": async (url, random) => {
    const fields = { prompt: [prompt(random, 5), prompt(random, 30)], echo: true, logprobs: 1 };
    await expectStatus(await post(url, completion(random, fields)), 200);
  },
  "penalties and bias": async (url, random) => {
    const fields = { frequency_penalty: 1, repetition_penalty: 1.2, logit_bias: { 5: 10 } };
    await expectStatus(await post(url, completion(random, fields)), 200);
  },
  "longer than the model": async (url, random) =>
    expectStatus(await post(url, completion(random, { prompt: prompt(random, 600) })), 400),
  "a field nobody knows": async (url, random) =>
    expectStatus(await post(url, completion(random, { max_tokenz: 5 })), 400),
  "no JSON": async (url) => expectStatus(await post(url, '{"prompt": '), 400),
  "another model": async (url, random) =>
    expectStatus(await post(url, completion(random, { model: "gpt-9" })), 404),
  "no such path": async (url) => expectStatus(await post(url, "{}", "/v1/nothing"), 404),
  "too large a body": async (url) => {
    // The server may refuse before it has read all, and close: then the client sees a broken pipe.
    await post(url, JSON.stringify({ prompt: "x".repeat(9 * 2 ** 20) })).then(
      (response) => expectStatus(response, 413),
      () => undefined,
    );
  },
  "half a head": (url) => leaveInTheMiddle(url, "POST /v1/completions HTTP/1.1\r\nhost: x\r\n"),
  "half a body": (url) =>
    leaveInTheMiddle(
      url,
      "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
    ),
  "no HTTP": (url) => leaveInTheMiddle(url, "\u0016\u0003\u0001 hello\r\n\r\n"),
};

/** Expensive ones are drawn seldom. */
const seldom: Readonly<Record<string, number>> = { "too large a body": 0.05 };

/** A server that never answers must fail the test by name, not by the test's own limit. */
const longestMs = 60_000;

async function inTime(name: string, running: Promise<void> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`"${name}" did not end`)), longestMs);
  });
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}

/** Draws and runs `count` of them, at most `concurrency` at once. @returns how many of each */
export async function abuse(
  baseUrl: string,
  count: number,
  concurrency: number,
  random: Random,
): Promise<Readonly<Record<string, number>>> {
  const names = Object.keys(abuses);
  const done: Record<string, number> = {};
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const name = names[random.integer(0, names.length - 1)] ?? "";
      const chosen = random.uniform() < (seldom[name] ?? 1) ? name : "whole";
      await inTime(chosen, abuses[chosen]?.(baseUrl, random));
      done[name] = (done[name] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return done;
}
