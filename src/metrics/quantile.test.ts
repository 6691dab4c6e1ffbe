import fc from "fast-check";
import { expect, test } from "vitest";
import { describe as describeValues, quantile, quantileOfSorted } from "./quantile.ts";

// Adding 0 turns -0 into 0, which a comparison by sign would tell apart.
const value = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x + 0);
const values = fc.array(value, { minLength: 1, maxLength: 60 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** Type 7 the slow way: selection instead of sorting, and a search for the enclosing ranks. */
function slowQuantile(list: readonly number[], q: number): number {
  const rest = [...list];
  const ordered: number[] = [];
  while (rest.length > 0) ordered.push(...rest.splice(rest.indexOf(Math.min(...rest)), 1));
  for (let k = 0; k + 1 < ordered.length; k++) {
    const from = k / (ordered.length - 1);
    const to = (k + 1) / (ordered.length - 1);
    const weight = (q - from) / (to - from);
    if (q >= from && q <= to) {
      return (ordered[k] as number) * (1 - weight) + (ordered[k + 1] as number) * weight;
    }
  }
  return ordered.at(-1) as number;
}

test("known vectors of numpy.percentile's default method", () => {
  expect(quantile([50, 15, 40, 20, 35], 0.4)).toBe(29);
  expect(quantile([1, 2, 3, 4], 0.9)).toBeCloseTo(3.7, 12);
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(quantile([7], 0.99)).toBe(7);
  expect(
    quantile(
      Array.from({ length: 101 }, (_, i) => i),
      0.99,
    ),
  ).toBe(99);
});

test("known vectors of numpy.mean and numpy.std (ddof = 0)", () => {
  const d = describeValues([2, 4, 4, 4, 5, 5, 7, 9]);
  expect(d).toMatchObject({ n: 8, mean: 5, std: 2, median: 4.5, min: 2, max: 9 });
});

test("an empty list has no quantile and no distribution", () => {
  expect(quantile([], 0.5)).toBeUndefined();
  expect(describeValues([])).toBeUndefined();
});

test("a quantile outside [0, 1] or of nothing is a bug", () => {
  expect(() => quantileOfSorted([], 0.5)).toThrow("at least one value");
  expect(() => quantileOfSorted([1], 1.01)).toThrow("outside [0, 1]");
});

test("agrees with the slow definition", () => {
  fc.assert(
    fc.property(values, share, (list, q) => {
      const expected = slowQuantile(list, q);
      expect(Math.abs((quantile(list, q) as number) - expected)).toBeLessThanOrEqual(1e-8 * 1e6);
    }),
  );
});

test("order statistics are hit exactly", () => {
  fc.assert(
    fc.property(values, (list) => {
      const sorted = list.toSorted((a, b) => a - b);
      expect(quantile(list, 0)).toBe(sorted[0]);
      expect(quantile(list, 1)).toBe(sorted.at(-1));
      if (list.length % 2 === 1) expect(quantile(list, 0.5)).toBe(sorted[(list.length - 1) / 2]);
    }),
  );
});

test("does not depend on the order of the values, and grows with q", () => {
  fc.assert(
    fc.property(values, share, share, (list, a, b) => {
      expect(quantile(list.toReversed(), a)).toBe(quantile(list, a));
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      expect(quantile(list, low)).toBeLessThanOrEqual(quantile(list, high) as number);
    }),
  );
});

test("statistics are ordered and agree with the slow ones", () => {
  fc.assert(
    fc.property(values, (list) => {
      const d = describeValues(list);
      if (d === undefined) throw new Error("a list of one or more has a distribution");
      const ordered = [d.min, d.median, d.p90, d.p95, d.p99, d.max];
      expect(ordered).toEqual(ordered.toSorted((a, b) => a - b));
      const mean = list.reduce((total, x) => total + x, 0) / list.length;
      const variance = list.reduce((total, x) => total + (x - mean) ** 2, 0) / list.length;
      expect(Math.abs(d.mean - mean)).toBeLessThanOrEqual(1e-6);
      expect(Math.abs(d.std - Math.sqrt(variance))).toBeLessThanOrEqual(1e-3);
      expect(d.mean).toBeGreaterThanOrEqual(d.min);
      expect(d.mean).toBeLessThanOrEqual(d.max);
    }),
  );
});
