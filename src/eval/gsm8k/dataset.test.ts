import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limitedCount, parseProblems, readProblems } from "./dataset.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-gsm8k-"));
  await writeFile(join(folder, "test.jsonl"), '{"question":"2+2?","answer":"#### 4"}\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("parseProblems", () => {
  it("does not break a line at U+2028", () => {
    const text = '{"question":"a\u2028b","answer":"#### 1"}\n{"question":"c","answer":"#### 2"}\n';
    expect(parseProblems(text, "x").map(({ question }) => question)).toEqual(["a\u2028b", "c"]);
  });

  it.each([
    ["{", "x.jsonl:1 is not JSON"],
    ['{"question":"a"}', "x.jsonl:1: "],
    ['{"question":"a","answer":"4"}', 'no line "#### number"'],
    ["\n", "holds no problem"],
  ])("refuses %j and says where", (text, message) => {
    expect(() => parseProblems(text, "dir/x.jsonl")).toThrow(message);
  });
});

describe("readProblems", () => {
  it("needs train.jsonl for shots only", async () => {
    const path = join(folder, "test.jsonl");
    expect((await readProblems(path, 0)).train).toEqual([]);
    await expect(readProblems(path, 1)).rejects.toThrow("there is no train.jsonl beside");
    await expect(readProblems(path, 2, path)).rejects.toThrow("holds 1 problems, but 2 examples");
    expect((await readProblems(path, 1, path)).train).toHaveLength(1);
  });

  it("names a data set that is not there", async () => {
    await expect(readProblems(join(folder, "no.jsonl"), 0)).rejects.toMatchObject({
      code: "file-not-found",
    });
  });
});

describe("limitedCount", () => {
  it.each([
    [undefined, 1319],
    [100, 100],
    [1, 1],
    [5000, 1319],
    [0.1, 132],
    [7.9, 7],
  ])("--limit %s asks %d of 1319", (limit, count) => {
    expect(limitedCount(1319, limit)).toBe(count);
  });
});
