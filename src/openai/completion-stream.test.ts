import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCompletionStream } from "./completion-stream.ts";
import { TimedBody } from "./timed-body.ts";

function event(value: unknown): string {
  return `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
}

/** One piece a text; piece i comes at i * 10 ms. */
function pieces(...texts: string[]): TimedBody {
  const body = new TimedBody();
  for (const [i, text] of texts.entries()) {
    const bytes = Buffer.from(text);
    body.append(bytes, 0, bytes.length, i * 10);
  }
  return body;
}

const token = (text: string, finish: string | null = null) =>
  event({ choices: [{ index: 0, text, finish_reason: finish }] });
const usage = event({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3 } });
const done = event("[DONE]");

describe("a complete answer", () => {
  test("times events with choices, reads usage from the one without", async () => {
    const decoded = await decodeCompletionStream(
      pieces(token("a"), token(""), token("b", "stop"), usage, done),
    );
    expect(decoded).toEqual({
      eventTimesMs: [0, 10, 20],
      eventTokens: undefined,
      usage: { promptTokens: 5, completionTokens: 3 },
      finishReason: "stop",
      text: "ab",
      error: undefined,
    });
  });

  test("reads chat deltas, the role-only one included, and skips comments", async () => {
    const delta = (content?: string) =>
      event({ choices: [{ delta: { role: "assistant", content }, finish_reason: null }] });
    const decoded = await decodeCompletionStream(
      pieces(": keep-alive\n\n", delta(), delta("hé"), done),
    );
    expect(decoded.eventTimesMs).toEqual([10, 20]);
    expect(decoded.text).toBe("hé");
    expect(decoded.error).toBeUndefined();
  });

  test("counts tokens from a running usage", async () => {
    const running = (n: number) =>
      event({ choices: [{ text: "x" }], usage: { prompt_tokens: 1, completion_tokens: n } });
    const decoded = await decodeCompletionStream(pieces(running(1), running(4), running(6), done));
    expect(decoded.eventTokens).toEqual([1, 3, 2]);
    expect(decoded.usage?.completionTokens).toBe(6);
  });

  test("several events in one piece share its time", async () => {
    const decoded = await decodeCompletionStream(
      pieces(token("a") + token("b"), token("c") + done),
    );
    expect(decoded.eventTimesMs).toEqual([0, 0, 10]);
  });

  test("an event cut in two has the time of its end", async () => {
    const whole = token("a");
    const decoded = await decodeCompletionStream(pieces(whole.slice(0, 20), whole.slice(20), done));
    expect(decoded.eventTimesMs).toEqual([10]);
  });
});

test("how the bytes are cut changes nothing but times", async () => {
  const text = fc.string({ unit: "grapheme", maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { minLength: 1, maxLength: 8 }),
      fc.constantFrom("\n", "\r\n"),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      async (texts, newline, sizes) => {
        const wire = texts.map((t) => token(t)).join("") + usage + done;
        const bytes = Buffer.from(wire.replaceAll("\n", newline));
        const cut = new TimedBody();
        for (let at = 0; at < bytes.length; ) {
          const end = Math.min(bytes.length, at + (sizes.next().value ?? 1));
          cut.append(bytes, at, end, cut.parts);
          at = end;
        }
        const decoded = await decodeCompletionStream(cut);
        expect(decoded.text).toBe(texts.join(""));
        expect(decoded.eventTimesMs).toHaveLength(texts.length);
        expect(decoded.eventTimesMs).toEqual(decoded.eventTimesMs.toSorted((a, b) => a - b));
        expect(decoded.usage).toEqual({ promptTokens: 5, completionTokens: 3 });
        expect(decoded.error).toBeUndefined();
      },
    ),
    { numRuns: 60 },
  );
});

test("a long answer is decoded in turns, all of it", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => token(`${i} `));
  const decoded = await decodeCompletionStream(pieces(...many, done));
  expect(decoded.eventTimesMs).toEqual(many.map((_, i) => i * 10));
});

describe("hazards", () => {
  test.each([
    ["an error object", event({ error: { message: "out of blocks" } }), "out of blocks"],
    ["an error text", event({ error: "out of blocks" }), "out of blocks"],
    ["an error without words", event({ error: {} }), "no message"],
  ])("%s in mid-stream is the error, and what came before is kept", async (_, wire, message) => {
    const decoded = await decodeCompletionStream(pieces(token("a"), wire, done));
    expect(decoded.error?.code).toBe("server-error");
    expect(decoded.error?.message).toContain(message);
    expect(decoded.eventTimesMs).toEqual([0]);
  });

  test.each(['{"choices": [', '"text"', '{"choices": 3}', '{"choices": [{"text": 1}]}'])(
    "%s is malformed",
    async (data) => {
      const decoded = await decodeCompletionStream(pieces(token("a", "stop"), event(data), done));
      expect(decoded.error?.code).toBe("malformed-stream");
    },
  );

  test("nothing, only usage, and only [DONE] are empty streams", async () => {
    for (const wire of [[], [usage], [done], ["<html>not a stream</html>"]]) {
      const decoded = await decodeCompletionStream(pieces(...wire));
      expect(decoded.error?.code).toBe("empty-stream");
    }
  });

  test("a finish reason or [DONE] ends a stream; without both it was cut", async () => {
    const errorOf = async (...wire: string[]) =>
      (await decodeCompletionStream(pieces(...wire))).error?.code;
    expect(await errorOf(token("a"))).toBe("cut-stream");
    expect(await errorOf(token("a", "length"))).toBeUndefined();
    expect(await errorOf(token("a"), done)).toBeUndefined();
  });
});
