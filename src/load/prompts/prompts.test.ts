import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../base/random.ts";
import { readJsonArray } from "./json-array.ts";
import type { PromptSettings } from "./prompt-source.ts";
import { promptSourceOf } from "./registry.ts";
import { passesLengthFilter } from "./sharegpt.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-prompts-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** Draws with plain settings; a token is a word, so that lengths can be read off the text. */
function draw(name: string, count: number, over: Partial<PromptSettings> = {}, seed = 1) {
  const source = promptSourceOf(name, {
    path: undefined,
    inputLen: 8,
    outputLen: undefined,
    rangeRatio: 0,
    lengthScale: 1,
    vocabSize: undefined,
    countTokens: (text) => text.split(" ").length,
    ...over,
  });
  return source.draw(count, new Random(seed));
}

async function collect(elements: AsyncIterable<unknown>): Promise<unknown[]> {
  const collected: unknown[] = [];
  for await (const element of elements) collected.push(element);
  return collected;
}

const textOf = (words: number, of = "w") => Array(words).fill(of).join(" ");

describe("random", () => {
  test("lengths stay in [floor(L(1-r)), ceil(L(1+r))] and ids below the vocabulary", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 0.95, noNaN: true }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(),
        async (inputLen, rangeRatio, vocabSize, seed) => {
          const settings = { inputLen, outputLen: 5, rangeRatio, vocabSize };
          for (const drawn of await draw("random", 5, settings, seed)) {
            expect(drawn.prompt).toHaveLength(drawn.promptTokens);
            expect(drawn.promptTokens).toBeGreaterThanOrEqual(
              Math.max(1, Math.floor(inputLen * (1 - rangeRatio))),
            );
            expect(drawn.promptTokens).toBeLessThanOrEqual(Math.ceil(inputLen * (1 + rangeRatio)));
            expect(drawn.maxTokens).toBeGreaterThanOrEqual(1);
            for (const id of drawn.prompt) {
              expect(id).toBeGreaterThanOrEqual(0);
              expect(id).toBeLessThan(vocabSize);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("without a spread every length is the one asked for, and prompts differ", async () => {
    const drawn = await draw("random", 50, { inputLen: 12, outputLen: 3 });
    expect(new Set(drawn.map((d) => d.promptTokens))).toEqual(new Set([12]));
    expect(new Set(drawn.map((d) => d.maxTokens))).toEqual(new Set([3]));
    expect(new Set(drawn.map((d) => JSON.stringify(d.prompt))).size).toBe(50);
  });

  test("a spread outside [0, 1) is refused", async () => {
    await expect(async () => draw("random", 1, { rangeRatio: 1 })).rejects.toThrow("[0, 1)");
  });
});

describe("lengths", () => {
  test("has the published means after the filter: 215 in, 199 out", async () => {
    const drawn = await draw("lengths", 20_000, { vocabSize: 100 });
    const mean = (of: (d: (typeof drawn)[number]) => number) =>
      drawn.reduce((total, d) => total + of(d), 0) / drawn.length;
    expect(mean((d) => d.promptTokens) / 215.3).toBeCloseTo(1, 1);
    expect(mean((d) => d.maxTokens) / 199).toBeCloseTo(1, 1);
    expect(drawn.every((d) => passesLengthFilter(d.promptTokens, d.maxTokens))).toBe(true);
  });

  test("scales both lengths, down to one token", async () => {
    const whole = await draw("lengths", 40, { vocabSize: 100 });
    const tenth = await draw("lengths", 40, { vocabSize: 100, lengthScale: 0.1 });
    expect(tenth[0]?.promptTokens).toBe(
      Math.max(1, Math.round((whole[0]?.promptTokens ?? 0) / 10)),
    );
    for (const d of tenth) {
      expect(d.prompt).toHaveLength(d.promptTokens);
      expect(Math.min(d.promptTokens, d.maxTokens)).toBeGreaterThanOrEqual(1);
    }
  });

  test("makes text of as many words where no vocabulary is given", async () => {
    for (const d of await draw("lengths", 10)) {
      expect(String(d.prompt).split(" ")).toHaveLength(d.promptTokens);
    }
  });
});

describe("sharegpt", () => {
  const talk = (...turns: string[]) => ({
    id: "x",
    conversations: turns.map((value) => ({ value })),
  });

  test("the filter's limits are included", () => {
    expect(passesLengthFilter(4, 4)).toBe(true);
    expect(passesLengthFilter(3, 4)).toBe(false);
    expect(passesLengthFilter(4, 3)).toBe(false);
    expect(passesLengthFilter(1024, 1024)).toBe(true);
    expect(passesLengthFilter(1024, 1025)).toBe(false);
    expect(passesLengthFilter(1025, 4)).toBe(false);
  });

  test("keeps first turns that pass, with the answer's length", async () => {
    const path = await file(
      "share.json",
      JSON.stringify([
        talk(textOf(5, "keep"), textOf(6), "a third turn"),
        talk("only one turn that is long enough"),
        talk(textOf(3), textOf(9)),
        talk(textOf(5), "short answer"),
        talk(textOf(1025), textOf(9)),
        { id: "no turns" },
      ]),
    );
    const expected = { prompt: textOf(5, "keep"), promptTokens: 5, maxTokens: 6 };
    expect(await draw("sharegpt", 1, { path })).toEqual([expected]);
    // Too few: repeated, as vLLM does.
    expect(await draw("sharegpt", 3, { path })).toEqual([expected, expected, expected]);
    // With a forced length the recorded answer is not looked at.
    const forced = await draw("sharegpt", 2, { path, outputLen: 2 });
    expect(new Set(forced.map((d) => d.prompt))).toEqual(new Set([textOf(5, "keep"), textOf(5)]));
    expect(forced.every((d) => d.maxTokens === 2)).toBe(true);
  });

  test("what is not ShareGPT is refused with its name", async () => {
    const empty = await file("empty.json", "[]");
    await expect(draw("sharegpt", 1, { path: empty })).rejects.toThrow("passes the filter");
    const other = await file("other.json", '[{"conversations": ["text"]}]');
    await expect(draw("sharegpt", 1, { path: other })).rejects.toThrow("is not ShareGPT");
    await expect(async () => draw("sharegpt", 1)).rejects.toThrow("needs its file");
  });
});

describe("custom", () => {
  test("takes text and ids, lengths of the file, else the default", async () => {
    const path = await file(
      "custom.jsonl",
      '{"prompt": "one two three", "output_tokens": 7}\n{"prompt": [5, 6]}\n',
    );
    const drawn = await draw("custom", 2, { path });
    expect(drawn).toContainEqual({ prompt: "one two three", promptTokens: 3, maxTokens: 7 });
    expect(drawn).toContainEqual({ prompt: [5, 6], promptTokens: 2, maxTokens: 256 });
    const forced = await draw("custom", 2, { path, outputLen: 9 });
    expect(forced.map((d) => d.maxTokens)).toEqual([9, 9]);
  });

  test("too few prompts and lines of another shape are refused", async () => {
    const path = await file("few.jsonl", '{"prompt": "one"}\n');
    await expect(draw("custom", 2, { path })).rejects.toThrow("has 1 prompts, 2 were asked for");
    const wrong = await file("wrong.jsonl", '{"text": "one"}\n');
    await expect(draw("custom", 1, { path: wrong })).rejects.toThrow("a line is not");
  });
});

describe("trace", () => {
  const rows = [
    '{"timestamp": 3000, "input_length": 5, "output_length": 2, "hash_ids": [1]}',
    '{"timestamp": 1000, "input_length": 7, "output_length": 3}',
    '{"timestamp": 1500, "input_length": 9, "output_length": 0}',
  ].join("\n");

  test("replays times from the first request on, with its lengths, in order", async () => {
    const path = await file("trace.jsonl", rows);
    const drawn = await draw("trace", 2, { path });
    expect(drawn.map((d) => [d.promptTokens, d.prompt.length, d.maxTokens, d.intendedMs])).toEqual([
      [7, 7, 3, 0],
      [5, 5, 2, 2000],
    ]);
    const fast = await draw("trace", 2, { path, traceSpeed: 4, traceUnit: "s", lengthScale: 0.5 });
    expect(fast.map((d) => [d.promptTokens, d.maxTokens, d.intendedMs])).toEqual([
      [4, 2, 0],
      [3, 1, 500_000],
    ]);
  });

  test("reads BurstGPT's CSV by its header: seconds, GPT-4, answers only", async () => {
    const path = await file(
      "burst.csv",
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,1,1,2,x\n6,GPT-4,10,20,30,x\n7,GPT-4,11,0,11,x\n8.5,GPT-4,12,21,33,x\n",
    );
    const drawn = await draw("trace", 2, { path });
    expect(drawn.map((d) => [d.promptTokens, d.maxTokens, d.intendedMs])).toEqual([
      [10, 20, 0],
      [12, 21, 2500],
    ]);
  });

  test("says what is wrong with a file, and where", async () => {
    const path = await file("bad.jsonl", `${rows}\n{"timestamp": "x"}`);
    await expect(draw("trace", 1, { path })).rejects.toThrow("bad.jsonl, line 4 is not");
    const few = await file("few.jsonl", rows);
    await expect(draw("trace", 3, { path: few })).rejects.toThrow("has 2 usable requests, 3 were");
    const columns = await file("columns.csv", "a,b\n1,2\n");
    await expect(draw("trace", 1, { path: columns })).rejects.toThrow("has no column Timestamp");
    await expect(draw("trace", 1, { path: "/nowhere.jsonl" })).rejects.toThrow("cannot be read");
    await expect(async () => draw("trace", 1)).rejects.toThrow("needs its file");
  });
});

describe("a big JSON array", () => {
  test("gives the same elements however it is cut", async () => {
    let number = 0;
    const element = fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.array(fc.jsonValue(), { minLength: 1 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(element, { maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0, 2),
        async (elements, pieceBytes, indent) => {
          const path = await file(`array-${number++}.json`, JSON.stringify(elements, null, indent));
          const read = await collect(readJsonArray(path, pieceBytes));
          expect(JSON.stringify(read)).toBe(JSON.stringify(elements));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("cut short or missing, it says so", async () => {
    const path = await file("cut.json", '[{"a": 1}, {"b": "]');
    await expect(collect(readJsonArray(path))).rejects.toThrow("not a complete JSON array");
    await expect(collect(readJsonArray(join(folder, "none")))).rejects.toThrow("cannot be read");
  });
});

test("an unknown data set names the known ones", async () => {
  await expect(async () => draw("sonnet", 1)).rejects.toMatchObject({
    message: '"sonnet" is not a data set',
    hint: "choose one of lengths, random, sharegpt, custom, trace",
  });
});
