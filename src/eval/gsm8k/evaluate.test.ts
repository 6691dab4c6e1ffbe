import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type AnsweringServer,
  type Reply,
  startAnsweringServer,
} from "../../../test/fakes/answering-server.ts";
import { ManualClock } from "../../base/clock.ts";
import type { Problem, ProblemSet } from "./dataset.ts";
import { type AskOptions, askAll, type EvalResponse, scoreAll } from "./evaluate.ts";
import { openJournal } from "./journal.ts";
import { buildPrompts, type PromptStyle } from "./prompt.ts";

const problem = (n: number): Problem => ({ question: `Q${n}?`, answer: `Yes.\n#### ${n}` });
const problems: ProblemSet = {
  test: Array.from({ length: 12 }, (_, i) => problem(i)),
  train: Array.from({ length: 30 }, (_, i) => problem(100 + i)),
  testPath: "",
  trainPath: "",
  testSha256: "",
};
const promptsOf = (style: PromptStyle = "plain") =>
  buildPrompts(problems, 12, { numFewshot: 2, fewshotSeed: 1234, style });

/** Retries wait on it; every wait is over at once. */
class ImpatientClock extends ManualClock {
  override sleepUntil(deadlineMs: number): Promise<void> {
    this.advanceTo(Math.max(deadlineMs, this.nowMs()));
    return Promise.resolve();
  }
}

let server: AnsweringServer | undefined;
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-evaluate-"));
});
afterEach(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function askWith(
  reply: (question: string, index: number) => Reply | Promise<Reply>,
  options: Partial<AskOptions> = {},
): Promise<EvalResponse[]> {
  await server?.close();
  server = await startAnsweringServer(reply);
  return askAll({
    server: { baseUrl: server.baseUrl, modelName: "m" },
    prompts: promptsOf(),
    maxGenToks: 7,
    concurrency: 4,
    clock: new ImpatientClock(),
    signal: new AbortController().signal,
    ...options,
  });
}

const right = (question: string) => ` So.\n#### ${/Q(\d+)/.exec(question)?.[1]}`;

describe("askAll", () => {
  it("asks every question greedily, several at once, and keeps the order", async () => {
    // The first four are answered once all four are there.
    let open = (): void => {};
    const fourHere = new Promise<void>((resolve) => {
      open = resolve;
    });
    const responses = await askWith(async (question, index) => {
      if (index === 3) open();
      await fourHere;
      return right(question);
    });
    expect(responses.map(({ docId }) => docId)).toEqual([...Array(12).keys()]);
    expect(scoreAll(promptsOf(), responses).every(({ scores }) => scores["strict-match"])).toBe(
      true,
    );
    expect(server?.peakConcurrency()).toBe(4);
    expect(server?.requests[0]).toMatchObject({
      model: "m",
      max_tokens: 7,
      temperature: 0,
      stop: ["Question:", "</s>", "<|im_end|>"],
    });
  });

  it("sends messages in a chat, and scores null as an empty response", async () => {
    const prompts = promptsOf("chat-multiturn");
    const responses = await askWith(() => null, { prompts });
    expect(server?.requests[0]?.messages).toHaveLength(5);
    expect(server?.requests[0]?.prompt).toBeUndefined();
    const [first] = scoreAll(prompts, responses);
    expect(first).toMatchObject({
      answers: { "strict-match": "[invalid]" },
      response: { text: "" },
    });
  });

  it("asks again when the server is in trouble", async () => {
    const responses = await askWith((question, index) =>
      index < 2 ? { status: 503, message: "loading" } : right(question),
    );
    expect(responses).toHaveLength(12);
    expect(server?.requests).toHaveLength(14);
  });

  it("gives up with the server's words where it refuses, and keeps what was answered", async () => {
    const kept: number[] = [];
    const asked = askWith(
      (question, index) =>
        index === 5 ? { status: 400, message: "prompt too long" } : right(question),
      { concurrency: 1, onResponse: ({ docId }) => void kept.push(docId) },
    );
    await expect(asked).rejects.toMatchObject({
      code: "request-failed",
      message: "HTTP 400: prompt too long",
    });
    expect(kept).toEqual([0, 1, 2, 3, 4]);
    expect(server?.requests).toHaveLength(6);
  });

  it("ends on abort", async () => {
    const interrupt = new AbortController();
    const asked = askWith(
      (question, index) => {
        if (index === 3) interrupt.abort();
        return right(question);
      },
      { signal: interrupt.signal, concurrency: 1 },
    );
    await expect(asked).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("the journal", () => {
  const settings = { model: "m", format: "bf16", maxGenToks: 7 };

  it("lets an interrupted evaluation go on with the next question", async () => {
    const path = join(folder, "responses.jsonl");
    const first = await openJournal(path, settings, true);
    const failing = askWith(
      (question, index) => (index === 5 ? { status: 400, message: "no" } : right(question)),
      { concurrency: 1, onResponse: (response) => first.append(response) },
    );
    await expect(failing).rejects.toThrow("no");
    await first.close();
    // A crash cut the last line.
    await appendFile(path, '{"docId":5,"prom');

    const second = await openJournal(path, settings, true);
    expect(second.known).toHaveLength(5);
    const responses = await askWith(right, {
      known: second.known,
      onResponse: (response) => second.append(response),
    });
    await second.close();
    expect(server?.requests).toHaveLength(7);
    expect(responses.map(({ docId }) => docId)).toEqual([...Array(12).keys()]);
    expect((await readFile(path, "utf8")).trim().split("\n")).toHaveLength(13);
  });

  it("uses no response to another prompt", async () => {
    const known = await askWith(right);
    const prompts = buildPrompts(problems, 12, {
      numFewshot: 1,
      fewshotSeed: 1234,
      style: "plain",
    });
    await askWith(right, { known, prompts });
    expect(server?.requests).toHaveLength(12);
  });

  it("begins anew unless asked, and refuses responses of other settings", async () => {
    const path = join(folder, "responses.jsonl");
    const journal = await openJournal(path, settings, false);
    await journal.append({ docId: 0, promptHash: "x", text: "", ms: 1 });
    await journal.close();
    await expect(openJournal(path, { ...settings, format: "fp8" }, true)).rejects.toThrow(
      /holds responses of m, bf16, 7 tokens at most, not of m, fp8/,
    );
    const again = await openJournal(path, settings, false);
    expect(again.known).toEqual([]);
    await again.close();
  });
});
