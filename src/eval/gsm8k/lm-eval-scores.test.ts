import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { extractAnswer } from "./extract.ts";
import { exactMatch } from "./score.ts";

const fixture = new URL("../../../test/fixtures/eval/lm-eval-scores.jsonl.gz", import.meta.url);
const rowSchema = z.tuple([z.string(), z.string(), z.string(), z.number(), z.string(), z.number()]);

// Written by test/oracles/lm_eval_scores.py: lm_eval 0.4.13 ran its own gsm8k task on these responses.
const rows = gunzipSync(readFileSync(fixture))
  .toString("utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => rowSchema.parse(JSON.parse(line)));

describe("responses scored by lm_eval", () => {
  it("are at least two thousand, right and wrong under both filters", () => {
    expect(rows.length).toBeGreaterThan(2000);
    for (const column of [3, 5] as const) {
      const right = rows.filter((row) => row[column] === 1).length;
      expect(right).toBeGreaterThan(rows.length / 10);
      expect(right).toBeLessThan(rows.length / 2);
    }
  });

  it("are filtered and scored alike here, every one", () => {
    const different = rows.flatMap(([response, gold, strict, strictScore, flexible, score]) => {
      const target = `Steps with 12 and $3.\n#### ${gold}`;
      const ours = (["strict-match", "flexible-extract"] as const).flatMap((name) => {
        const answer = extractAnswer(name, response);
        return [answer, exactMatch(answer, target)];
      });
      const theirs = [strict, strictScore, flexible, score];
      return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ response, ours, theirs }];
    });
    expect(different).toEqual([]);
  });
});
