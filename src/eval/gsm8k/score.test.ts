import { describe, expect, it } from "vitest";
import { extractAnswer } from "./extract.ts";
import { exactMatch, meanScore } from "./score.ts";

// [response, gold, strict answer, strict score, flexible answer, flexible score]
type Row = [string | null, string, string, 0 | 1, string, 0 | 1];

// What lm-evaluation-harness's filters and metric make of them.
const rows: Row[] = [
  [" 9 * 2 = $18\n#### 18", "18", "18", 1, "18", 1],
  ["#### 18.", "18", "18.", 1, "18.", 1],
  ["#### $18", "18", "[invalid]", 0, "$18", 1],
  ["#### 1,234", "1234", "1,234", 1, "1,234", 1],
  ["#### 18\n#### 20", "18", "18", 1, "20", 0],
  ["#### 18\n#### 20", "20", "18", 0, "20", 1],
  ["####18", "18", "[invalid]", 0, "18", 1],
  ["#### -5", "-5", "-5", 1, "-5", 1],
  ["#### 18.00", "18", "18.00", 0, "18.00", 0],
  ["#### 1 234", "1", "1", 1, "234", 0],
  ["#### .5", "0.5", ".5", 0, ".5", 0],
  ["#### ten", "10", "[invalid]", 0, "[invalid]", 0],
  ["The total is $70,000.00.", "70000", "[invalid]", 0, "$70,000.00.", 0],
  ["She has 5 apples.", "5", "[invalid]", 0, "5", 1],
  ["She has 5.", "5", "[invalid]", 0, "5.", 1],
  ["costs $5", "5", "[invalid]", 0, "$5", 1],
  ["The answer is 18...", "18", "[invalid]", 0, "18...", 0],
  ["Wait, 12, 13, ok", "13", "[invalid]", 0, "13,", 1],
  ["range 3-4", "4", "[invalid]", 0, "-4", 0],
  ["4 * 5 = <<4*5=20>>20", "20", "[invalid]", 0, "20", 1],
  ["18%", "18", "[invalid]", 0, "18", 1],
  ["#### 18\r\nmore 3", "18", "18", 1, "3", 0],
  ["\uff11\uff18", "18", "[invalid]", 0, "[invalid]", 0],
  ["", "18", "[invalid]", 0, "[invalid]", 0],
  [null, "18", "[invalid]", 0, "[invalid]", 0],
];

describe("filters and exact match", () => {
  it.each(rows)("score %j for %s", (response, gold, strict, strictScore, flexible, score) => {
    const target = `Some steps with 7.\n#### ${gold}`;
    const ofStrict = extractAnswer("strict-match", response);
    const ofFlexible = extractAnswer("flexible-extract", response);
    expect([ofStrict, exactMatch(ofStrict, target)]).toEqual([strict, strictScore]);
    expect([ofFlexible, exactMatch(ofFlexible, target)]).toEqual([flexible, score]);
  });

  it("compares texts: case is ignored, one final point too, even before a newline", () => {
    expect(exactMatch("Ten.", "#### ten")).toBe(1);
    expect(exactMatch("5", "#### 5.\n")).toBe(0);
    expect(exactMatch("5\n", "#### 5.\n")).toBe(1);
    expect(exactMatch("5..", "#### 5")).toBe(0);
  });
});

describe("meanScore", () => {
  it.each([
    [3, 5, 0.6, 0.24494897427831783],
    [4, 5, 0.8, 0.19999999999999998],
    [78, 100, 0.78, 0.041633319989323],
    [192, 250, 0.768, 0.026750070374865],
    [438, 1319, 0.332069749810462, 0.012972465034362],
    [1022, 1319, 0.774829416224412, 0.011505385424295],
  ])("of %d right in %d agrees with the harness", (right, n, mean, error) => {
    const result = meanScore(Array.from({ length: n }, (_, i) => (i < right ? 1 : 0)));
    expect(result.mean).toBeCloseTo(mean, 12);
    expect(result.standardError).toBeCloseTo(error, 12);
  });

  it("has no error for one question", () => {
    expect(meanScore([1])).toEqual({ n: 1, mean: 1, standardError: undefined });
  });
});
