import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SseEvents } from "./sse-lines.ts";

function read(text: string): { data: string[]; ends: number[] } {
  const events = new SseEvents(Buffer.from(text));
  const data: string[] = [];
  const ends: number[] = [];
  for (let next = events.next(); next !== undefined; next = events.next()) {
    data.push(next);
    ends.push(events.endOffset);
  }
  return { data, ends };
}

test("gives what an independent parser gives", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "data: a",
      "data:b",
      "data",
      "data:",
      ": comment",
      "event: x",
      "id: 7",
      "datax: 1",
      "",
      "",
    ),
    fc
      .string({ unit: "grapheme", maxLength: 8 })
      .map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 30 }),
      fc.constantFrom("\n", "\r\n"),
      (lines, newline) => {
        const text = lines.map((each) => each + newline).join("");
        const expected: string[] = [];
        const parser = createParser({ onEvent: (event) => expected.push(event.data) });
        parser.feed(text);
        expect(read(text).data).toEqual(expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("says which byte completed an event", () => {
  expect(read("data: ab\n\ndata: c\n\n")).toEqual({ data: ["ab", "c"], ends: [9, 18] });
  expect(read("data: ab\r\n\r\n").ends).toEqual([11]);
});

test("an event without its empty line is not one, and a byte order mark is passed over", () => {
  expect(read("\ufeffdata: a\n\ndata: cut\n").data).toEqual(["a"]);
});

test("a lone CR ends a line", () => {
  expect(read("data: a\rdata: b\r\rdata: c\r\r").data).toEqual(["a\nb", "c"]);
});
