import { describe, expect, test } from "vitest";
import { chatRequestSchema, completionRequestSchema, parseRequest } from "./requests.ts";

const completion = (fields: object) =>
  parseRequest(completionRequestSchema, { prompt: "hi", ...fields });
const chat = (fields: object) =>
  parseRequest(chatRequestSchema, { messages: [{ role: "user", content: "hi" }], ...fields });

/** "ok", or the message of the refusal. */
function outcome(parse: () => unknown): string {
  try {
    parse();
    return "ok";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("completion requests", () => {
  test.each([
    ["text", "a b", ["a b"]],
    ["token ids", [1, 2], [[1, 2]]],
    ["a list of texts", ["a", ""], ["a", ""]],
    ["a list of lists of token ids", [[1, 2], [3]], [[1, 2], [3]]],
  ])("the prompt may be %s", (_, prompt, parsed) => {
    expect(completion({ prompt }).prompt).toEqual(parsed);
  });

  test.each([[[]], [[[]]], [["a", 1]], [[1.5]], [[-1]], [7], [null]])(
    "the prompt may not be %j",
    (prompt) => {
      expect(outcome(() => completion({ prompt }))).toMatch(/^prompt(\.0)*: (must be a|Too small)/);
    },
  );

  test("null means left out", () => {
    const parsed = completion({
      max_tokens: null,
      stop: null,
      seed: null,
      logprobs: null,
      n: null,
    });
    expect(parsed.max_tokens).toBeUndefined();
    expect(parsed.stop).toBeUndefined();
  });

  test("what vllm bench serve and lm-evaluation-harness send is taken", () => {
    const bench = {
      model: "m",
      max_tokens: 128,
      repetition_penalty: 1.0,
      temperature: 0,
      logprobs: null,
      stream: true,
      stream_options: { include_usage: true },
      ignore_eos: true,
    };
    expect(outcome(() => completion(bench))).toBe("ok");
    const harness = {
      model: "m",
      max_tokens: 256,
      temperature: 0,
      stop: ["Q:", "</s>"],
      seed: 1234,
    };
    expect(outcome(() => completion(harness))).toBe("ok");
    const likelihood = {
      model: "m",
      prompt: [
        [1, 2],
        [3, 4],
      ],
      max_tokens: 1,
      logprobs: 1,
      echo: true,
      temperature: 0,
      seed: 1234,
    };
    expect(outcome(() => completion(likelihood))).toBe("ok");
  });

  test.each([
    [{ n: 0 }, "n: Too small: expected number to be >=1"],
    [{ best_of: 2 }, "best_of: is not supported by this server; leave it out or send 1"],
    [{ logprobs: 21 }, "logprobs: Too big: expected number to be <=20"],
    [{ logit_bias: { x: 1 } }, "logit_bias.x: Invalid key in record"],
    [{ presence_penalty: 3 }, "presence_penalty: Too big: expected number to be <=2"],
    [
      { skip_special_tokens: false },
      "skip_special_tokens: is not supported by this server; leave it out or send true",
    ],
    [{ suffix: "x" }, "suffix: is not supported by this server; leave it out"],
    [{ tools: [] }, 'Unrecognized key: "tools"'],
    [{ max_tokenz: 5 }, 'Unrecognized key: "max_tokenz"'],
    [{ max_tokens: -1 }, "max_tokens: Too small: expected number to be >=0"],
    [{ max_tokens: 0 }, "max_tokens: must be at least 1, or 0 with echo"],
    [{ temperature: -1 }, "temperature: Too small: expected number to be >=0"],
    [{ temperature: "hot" }, "temperature: Invalid input: expected number, received string"],
    [{ top_p: 0 }, "top_p: Too small: expected number to be >0"],
    [{ stop: "" }, "stop: Too small: expected string to have >=1 characters"],
    [{ stop: 5 }, "stop: must be a non-empty string or a list of at most 16 of them"],
    [{ stream_options: {} }, "stream_options: is only allowed when stream is true"],
    [{ stream: true, stream_options: { usage: 1 } }, 'stream_options: Unrecognized key: "usage"'],
  ])("%j is refused by name", (fields, message) => {
    expect(outcome(() => completion(fields))).toBe(message);
  });

  test("a body that is not an object is refused", () => {
    const body = (value: unknown) => outcome(() => parseRequest(completionRequestSchema, value));
    expect(body(undefined)).toBe("Invalid input: expected object, received undefined");
    expect(body([])).toBe("Invalid input: expected object, received array");
  });
});

describe("chat requests", () => {
  test("parts of type text are joined", () => {
    const content = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    expect(chat({ messages: [{ role: "user", content }] }).messages[0]?.content).toBe("ab");
  });

  test.each([
    [{ messages: [] }, "messages: Too small: expected array to have >=1 items"],
    [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages.0.content: must be text, or a list of parts of type text: this server reads nothing else",
    ],
    [{ tools: [{}] }, "tools: is not supported by this server; leave it out"],
    [
      { response_format: { type: "json_object" } },
      "response_format.type: only text is supported by this server",
    ],
    [{ prompt: "x" }, 'Unrecognized key: "prompt"'],
    [{ top_logprobs: 2 }, "top_logprobs: is only allowed when logprobs is true"],
    [{ logprobs: 2 }, "logprobs: Invalid input: expected boolean, received number"],
  ])("%j is refused by name", (fields, message) => {
    expect(outcome(() => chat(fields))).toBe(message);
  });

  test("both names of the token limit are taken", () => {
    expect(chat({ max_completion_tokens: 3 }).max_completion_tokens).toBe(3);
    expect(chat({ max_tokens: 3 }).max_tokens).toBe(3);
  });
});
