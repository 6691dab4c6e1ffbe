import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCompletionStream } from "./completion-stream.ts";
import { EventTemplate } from "./event-template.ts";
import { TimedBody } from "./timed-body.ts";

const raw = (text: string, more = "") =>
  Buffer.from(`data: {"id":"a","choices":[{"index":0,"text":${JSON.stringify(text)}}]${more}}\n\n`);

describe("a template", () => {
  const template = EventTemplate.of(raw(" one"), " one");

  test("finds the text of an event of its shape, escaped or not", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(text, text, (first, second) => {
        const bytes = Buffer.concat([raw(first), raw(second)]);
        const end = template?.match(bytes, 0) ?? -1;
        expect([end, template?.textIn(bytes)]).toEqual([raw(first).length, first]);
        expect(template?.match(bytes, end)).toBe(bytes.length);
        expect(template?.textIn(bytes)).toBe(second);
      }),
    );
  });

  test.each([
    ["another field", raw("two", ',"usage":{"prompt_tokens":1}')],
    ["the last word", Buffer.from("data: [DONE]\n\n")],
    ["an event cut off", raw("two").subarray(0, -1)],
    ["an event cut off within its text", raw("two").subarray(0, 47)],
    ["a line break within the text", Buffer.from(raw("two").toString().replace("two", "t\no"))],
  ])("knows %s as another shape", (_, bytes) => {
    expect(template?.match(bytes, 0)).toBe(-1);
  });

  test.each([
    ["two keys of that name", raw("one", ',"text":"one"'), "one"],
    ["a text that JSON escapes", raw('o"e'), 'o"e'],
    ["no text", raw(""), ""],
    ["a text that stands elsewhere", raw("one"), "two"],
  ])("is not made from %s", (_, bytes, text) => {
    expect(EventTemplate.of(bytes, text)).toBeUndefined();
  });
});

test("an answer reads the same whether its events have a shape in common or not", async () => {
  const piece = fc.record({
    text: fc.string({ unit: "grapheme", maxLength: 6 }),
    isChat: fc.boolean(),
    finish: fc.constantFrom(undefined, null, "stop"),
    usage: fc.constantFrom(undefined, null, { prompt_tokens: 4, completion_tokens: 2 }),
    token_ids: fc.constantFrom(undefined, null, [7], [7, 8]),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 30 }), async (pieces) => {
      const events = pieces.map(({ text, isChat, finish, usage, token_ids }) => ({
        choices: [
          {
            ...(isChat ? { delta: { content: text } } : { text }),
            finish_reason: finish,
            token_ids,
          },
        ],
        usage,
      }));
      const decode = (id: (i: number) => string) => {
        const body = new TimedBody();
        for (const [i, event] of events.entries()) {
          const bytes = Buffer.from(`data: ${JSON.stringify({ id: id(i), ...event })}\n\n`);
          body.append(bytes, 0, bytes.length, i);
        }
        return decodeCompletionStream(body);
      };
      // Ids of their own leave no event alike another: each goes through the parser.
      expect(await decode(() => "same")).toEqual(await decode((i) => `id ${i}`));
    }),
    { numRuns: 60 },
  );
});
