import { describe, expect, it } from "vitest";
import {
  detectableDifference,
  exactDetectableDifference,
  exactPower,
  largestSignificant,
  questionsNeeded,
} from "./detectable.ts";

const points = (share: number | undefined) => share && 100 * share;

describe("the smallest difference that n questions detect", () => {
  it.each([
    [100, 0.02, undefined, undefined],
    [100, 0.05, undefined, undefined],
    [100, 0.08, 7.83, 7.89],
    [100, 0.1, 8.76, 8.84],
    [100, 0.15, 10.72, 11.0],
    [100, 0.2, 12.38, 12.77],
    [250, 0.02, undefined, undefined],
    [250, 0.05, 3.94, 4.0],
    [250, 0.08, 4.99, 5.12],
    [250, 0.1, 5.58, 5.78],
    [250, 0.15, 6.83, 7.08],
    [250, 0.2, 7.89, 8.13],
    [1319, 0.02, 1.09, 1.13],
    [1319, 0.05, 1.72, 1.77],
    [1319, 0.08, 2.18, 2.24],
    [1319, 0.1, 2.44, 2.5],
    [1319, 0.15, 2.98, 3.05],
    [1319, 0.2, 3.45, 3.51],
  ])("n=%d at a disagreement of %d", (n, q, largeSample, exact) => {
    const large = points(detectableDifference(n, q));
    const small = points(exactDetectableDifference(n, q));
    if (largeSample === undefined) expect([large, small]).toEqual([undefined, undefined]);
    else {
      expect(Math.abs((large ?? 0) - largeSample)).toBeLessThan(0.00501);
      expect(Math.abs((small ?? 0) - (exact ?? 0))).toBeLessThan(0.00501);
    }
  });
});

describe("exactPower", () => {
  it.each([
    [1319, 0.1, 0.02, 0.6026],
    [1319, 0.1, 0.025, 0.8013],
    [250, 0.1, 0.05, 0.653],
    [100, 0.1, 0.08, 0.6696],
    [1319, 0.08, 0, 0.0396],
  ])("n=%d, q=%d, delta=%d", (n, q, delta, power) => {
    expect(exactPower(n, q, delta)).toBeCloseTo(power, 4);
  });
});

describe("questionsNeeded", () => {
  it("is the inverse of the detectable difference", () => {
    for (const n of [250, 1319, 5000]) {
      const delta = detectableDifference(n, 0.1) ?? 0;
      expect(Math.abs(questionsNeeded(delta, 0.1) - n)).toBeLessThanOrEqual(1);
    }
  });

  it("falls with the square of the difference, and takes no less disagreement than it", () => {
    expect(questionsNeeded(0.01, 0.1) / questionsNeeded(0.02, 0.1)).toBeCloseTo(4, 1);
    expect(questionsNeeded(0.05, 0.01)).toBe(questionsNeeded(0.05, 0.05));
  });
});

describe("largestSignificant", () => {
  it.each([
    [5, -1],
    [6, 0],
    [8, 0],
    [9, 1],
    [10, 1],
    [12, 2],
    [15, 3],
    [20, 5],
    [25, 7],
    [30, 9],
    [40, 13],
    [50, 17],
    [60, 21],
    [80, 30],
    [100, 39],
    [150, 62],
    [200, 85],
  ])("of %d disagreements is %d", (m, largest) => {
    expect(largestSignificant(m)).toBe(largest);
  });
});
