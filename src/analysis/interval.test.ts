import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  bootstrapInterval,
  meanInterval,
  median,
  pairedRatio,
  sortedQuantile,
  studentQuantile,
} from "./interval.ts";

describe("Student's t", () => {
  // Two-sided 95 % column of the usual printed tables.
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [6, 2.447],
    [9, 2.262],
    [10, 2.228],
    [29, 2.045],
    [30, 2.042],
    [120, 1.98],
  ])("has its table's value at %i degrees of freedom", (degrees, value) => {
    expect(studentQuantile(degrees)).toBeCloseTo(value, 3);
  });

  it("covers the true mean of normal samples in 95 of 100 cases", () => {
    const random = new Random(7);
    let covered = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const sample = Array.from({ length: 4 }, () => 10 + random.normal());
      const { low = 0, high = 0 } = meanInterval(sample);
      if (low <= 10 && 10 <= high) covered++;
    }
    // Standard error of the share is 0.5 points.
    expect(covered / 2000).toBeGreaterThan(0.93);
    expect(covered / 2000).toBeLessThan(0.97);
  });
});

describe("intervals", () => {
  it("are absent from a single value", () => {
    expect(meanInterval([3])).toEqual({ value: 3, n: 1, low: undefined, high: undefined });
    expect(pairedRatio([3], [2]).low).toBeUndefined();
  });

  it("of a paired ratio ignore a drift that both share", () => {
    const drift = [1, 1.5, 0.7, 2];
    const { value, low, high } = pairedRatio(
      drift.map((x) => 3 * x),
      drift.map((x) => 2 * x),
    );
    expect(value).toBeCloseTo(1.5, 12);
    expect(low).toBeCloseTo(1.5, 9);
    expect(high).toBeCloseTo(1.5, 9);
  });

  it("of the bootstrap are the same for the same seed, and hold the statistic", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 30 }),
        fc.integer(),
        (values, seed) => {
          const once = bootstrapInterval(values, median, seed, 200);
          expect(bootstrapInterval(values, median, seed, 200)).toEqual(once);
          const { low = 0, high = 0 } = once;
          expect(low).toBeLessThanOrEqual(high);
          expect(low).toBeGreaterThanOrEqual(Math.min(...values));
          expect(high).toBeLessThanOrEqual(Math.max(...values));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("take quantiles as numpy does", () => {
    expect(sortedQuantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(sortedQuantile([1, 2, 3, 4], 0.9)).toBeCloseTo(3.7, 12);
    expect(sortedQuantile([1, Infinity, Infinity], 0.9)).toBe(Infinity);
  });
});
