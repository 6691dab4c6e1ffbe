import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  holmAdjusted,
  mcnemarTest,
  normal95,
  pairedCounts,
  pairedDifference,
  wilsonInterval,
} from "./paired.ts";

describe("wilsonInterval", () => {
  it.each([
    [0, 100, 0, 0.036993],
    [1, 100, 0.001767, 0.054486],
    [50, 100, 0.403832, 0.596168],
    [78, 100, 0.689296, 0.849987],
    [100, 100, 0.963007, 1],
    [192, 250, 0.711859, 0.816029],
    [195, 250, 0.724627, 0.826898],
    [438, 1319, 0.307174, 0.357941],
    [1022, 1319, 0.751508, 0.796554],
    [1070, 1319, 0.789209, 0.831424],
    [1081, 1319, 0.797889, 0.839376],
  ])("of %d right in %d", (right, n, low, high) => {
    const interval = wilsonInterval(right, n);
    expect(interval.low).toBeCloseTo(low, 6);
    expect(interval.high).toBeCloseTo(high, 6);
  });
});

describe("mcnemarTest", () => {
  it.each([
    [0, 0, 1, 1],
    [1, 0, 1, 0.5],
    [5, 0, 0.0625, 0.03125],
    [6, 0, 0.03125, 0.015625],
    [7, 3, 0.34375, 0.2265625],
    [10, 2, 0.03857421875, 0.0224609375],
    [12, 3, 0.03515625, 0.02127075195],
    [3, 12, 0.03515625, 0.02127075195],
    [15, 8, 0.2100396156, 0.151589632],
    [15, 15, 1, 1],
    [25, 12, 0.04703102744, 0.03355243968],
    [40, 20, 0.01348929373, 0.009853448195],
    [60, 43, 0.114468242, 0.0950436748],
    [66, 43, 0.03461537054, 0.02785088813],
    [100, 70, 0.02584438758, 0.02150654246],
    [150, 100, 0.001883300935, 0.0015481886],
  ])("of %d against %d", (b, c, p, midP) => {
    const test = mcnemarTest({ b, c });
    expect(test.p).toBeCloseTo(p, 10);
    expect(test.midP).toBeCloseTo(midP, 10);
  });

  it("does not underflow with thousands of disagreements", () => {
    const { p } = mcnemarTest({ b: 1300, c: 1100 });
    expect(p).toBeGreaterThan(4e-5);
    expect(p).toBeLessThan(6e-5);
  });
});

describe("pairedDifference", () => {
  it.each([
    [100, 7, 3, 0.04, [-2, 10], 0.03136877, -0.021482, 0.101482],
    [100, 12, 3, 0.09, [2, 17], 0.03766962, 0.016169, 0.163831],
    [250, 15, 8, 0.028, [-2, 16], 0.01910141, -0.009438, 0.065438],
    [250, 25, 12, 0.052, [1, 25], 0.02410776, 0.00475, 0.09925],
    [1319, 60, 43, 0.012889, [-3, 37], 0.0076862, -0.002176, 0.027953],
    [1319, 100, 70, 0.022745, [5, 56], 0.00986521, 0.003409, 0.04208],
  ])("of n=%d, b=%d, c=%d", (n, b, c, value, sums, standardError, low, high) => {
    const difference = pairedDifference({ n, b, c });
    expect(difference.value).toBeCloseTo(value, 6);
    expect(difference.sums).toEqual(sums);
    expect(difference.standardError).toBeCloseTo(standardError, 8);
    expect(difference.value - normal95 * difference.standardError).toBeCloseTo(low, 6);
    expect(difference.value + normal95 * difference.standardError).toBeCloseTo(high, 6);
  });

  it("is the limit of resampling", () => {
    const [n, b, c] = [60, 9, 4];
    const random = new Random(5);
    const sums = Array.from({ length: 20_000 }, () => {
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const at = random.integer(0, n - 1);
        sum += at < b ? 1 : at < b + c ? -1 : 0;
      }
      return sum;
    }).sort((x, y) => x - y);
    const [low, high] = pairedDifference({ n, b, c }).sums;
    expect(Math.abs(low - (sums[499] ?? 0))).toBeLessThanOrEqual(1);
    expect(Math.abs(high - (sums[19_499] ?? 0))).toBeLessThanOrEqual(1);
  });

  it("mirrors when the rows change places", () => {
    const count = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(count, count, count, (b, c, rest) => {
        const n = b + c + rest + 1;
        const there = pairedDifference({ n, b, c });
        const back = pairedDifference({ n, b: c, c: b });
        expect(there.value).toBeCloseTo(-back.value, 12);
        // The quantile of a step function is taken from its left on both sides.
        expect(Math.abs(there.sums[0] + back.sums[1])).toBeLessThanOrEqual(1);
        expect(there.low).toBeLessThanOrEqual(there.value + 1e-12);
        expect(there.high).toBeGreaterThanOrEqual(there.value - 1e-12);
      }),
      { numRuns: 50 },
    );
  });

  it("has no width where nobody disagrees", () => {
    expect(pairedDifference({ n: 50, b: 0, c: 0 })).toMatchObject({ value: 0, low: 0, high: 0 });
  });
});

describe("pairedCounts", () => {
  it("counts by position", () => {
    expect(pairedCounts([1, 1, 0, 0, 1], [1, 0, 1, 0, 0])).toEqual({ n: 5, b: 2, c: 1 });
  });
});

describe("holmAdjusted", () => {
  it("multiplies by the number of tests left, and never falls", () => {
    expect(holmAdjusted([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holmAdjusted([0.5, 0.9])).toEqual([1, 1]);
    expect(holmAdjusted([])).toEqual([]);
  });
});
