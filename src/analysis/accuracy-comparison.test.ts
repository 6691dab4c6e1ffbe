import { describe, expect, it } from "vitest";
import {
  accuracyOf,
  compareAccuracy,
  describeComparison,
  type ScoredRow,
} from "./accuracy-comparison.ts";

/** `right` ones, but with answers changed at the given places. */
function row(label: string, n: number, right: number, lost = 0, gained = 0): ScoredRow {
  const scores = Array.from({ length: n }, (_, i) => (i < right ? 1 : 0) as number);
  scores.fill(0, 0, lost);
  scores.fill(1, n - gained, n);
  return { label, scores };
}

describe("compareAccuracy", () => {
  const reference = row("bf16", 250, 195);

  it("gives counts, exact interval and test of the specification's example", () => {
    const [comparison] = compareAccuracy(reference, [row("awq", 250, 195, 15, 8)]);
    expect(comparison).toMatchObject({
      counts: { n: 250, b: 8, c: 15 },
      difference: { value: -0.028, sums: [-16, 2] },
      comparisons: 1,
      differs: false,
    });
    expect(comparison?.test.p).toBeCloseTo(0.2100396156, 10);
    expect(comparison?.hiddenLoss).toBeCloseTo(0.064, 12);
  });

  it("adjusts the p-values of several rows", () => {
    const rows = [row("fp8", 250, 195, 12, 3), row("awq", 250, 195, 25, 12)];
    const [fp8, awq] = compareAccuracy(reference, rows);
    expect(fp8?.adjustedP).toBeCloseTo(2 * 0.03515625, 10);
    expect(awq?.adjustedP).toBeCloseTo(2 * 0.03515625, 10);
    expect([fp8?.differs, awq?.differs]).toEqual([false, false]);
  });

  it("does not take no disagreement for no loss", () => {
    const [comparison] = compareAccuracy(row("bf16", 100, 90), [row("fp8", 100, 90)]);
    expect(comparison?.difference).toMatchObject({ low: 0, high: 0 });
    expect(comparison?.hiddenLoss).toBeCloseTo(1 - 0.025 ** 0.01, 12);
    expect(comparison && describeComparison(comparison)).toMatch(
      /No difference was seen, and a loss of up to 3\.6 points could have hidden/,
    );
  });
});

describe("describeComparison", () => {
  it("says what was seen and never that nothing was lost", () => {
    const [comparison] = compareAccuracy(row("bf16", 1319, 1081), [row("fp8", 1319, 1081, 60, 43)]);
    expect(comparison && describeComparison(comparison)).toBe(
      "fp8 against bf16 on the same 1319 questions: -1.3 points (95 % interval -2.8 to +0.23); " +
        "60 right only in bf16, 43 only in fp8; exact McNemar p 0.11. No difference was seen, and " +
        "a loss of up to 2.8 points could have hidden. 1319 questions show 2.2 points or more with " +
        "80 % power; needed: 6127 for 1, 1530 for 2, 243 for 5 points.",
    );
  });

  it("says that a difference is real when the test says so", () => {
    const [comparison] = compareAccuracy(row("bf16", 250, 195), [row("awq", 250, 195, 60, 5)]);
    expect(comparison && describeComparison(comparison)).toMatch(
      /p below 0\.001\. The difference is real: awq is less accurate here\.$/,
    );
  });
});

describe("accuracyOf", () => {
  it("is the share right with its Wilson interval", () => {
    const interval = accuracyOf(row("bf16", 100, 78));
    expect(interval.value).toBe(0.78);
    expect(interval.low).toBeCloseTo(0.689296, 6);
  });
});
