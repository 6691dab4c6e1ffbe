/** Right or wrong on the same questions: intervals of an accuracy and of a paired difference, and the exact tests. */
import { assert } from "../base/errors.ts";
import { binomialMass } from "./binomial.ts";
import type { Interval } from "./interval.ts";

/** Half-width of a two-sided 95 % interval in standard errors. */
export const normal95 = 1.959963984540054;

/** How two rows answered the same questions. */
export interface PairedCounts {
  readonly n: number;
  /** First right, second wrong. */
  readonly b: number;
  /** First wrong, second right. */
  readonly c: number;
}

/** Counts the disagreements of two lists of 0 and 1 in the same order. */
export function pairedCounts(first: readonly number[], second: readonly number[]): PairedCounts {
  assert(first.length === second.length, "paired scores are of the same questions");
  const differences = first.map((score, i) => score - (second[i] as number));
  const b = differences.filter((difference) => difference > 0).length;
  const c = differences.filter((difference) => difference < 0).length;
  return { n: first.length, b, c };
}

/** Share of `right` in `n` with its 95 % Wilson score interval (Wilson 1927). */
export function wilsonInterval(right: number, n: number): Interval {
  const p = right / n;
  const z2 = normal95 ** 2;
  const scale = 1 + z2 / n;
  const centre = (p + z2 / (2 * n)) / scale;
  const half = (normal95 / scale) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  // At 0 and n right, rounding would leave the end a hair inside.
  const low = right === 0 ? 0 : Math.max(0, centre - half);
  const high = right === n ? 1 : Math.min(1, centre + half);
  return { value: p, n, low, high };
}

export interface McNemar {
  /** Exact two-sided p-value. */
  readonly p: number;
  /** The same with the observed outcome counted half: less conservative. */
  readonly midP: number;
}

/** Whether disagreements fall to both sides alike (McNemar 1947, exact binomial form). */
export function mcnemarTest({ b, c }: Pick<PairedCounts, "b" | "c">): McNemar {
  const m = b + c;
  const fewer = Math.min(b, c);
  let tail = 0;
  for (let i = 0; i <= fewer; i++) tail += binomialMass(m, i, 0.5);
  return {
    p: Math.min(1, 2 * tail),
    midP: m === 0 ? 1 : Math.min(1, 2 * tail - binomialMass(m, fewer, 0.5)),
  };
}

/** The first's accuracy minus the second's. */
export interface PairedDifference extends Interval {
  /** Ends of the exact bootstrap interval as sums over the questions. */
  readonly sums: readonly [low: number, high: number];
  readonly standardError: number;
}

/**
 * The difference with the percentile interval of infinitely many bootstrap resamples of the pairs:
 * the distribution of a resample's sum is the n-fold convolution of one question's, so no random
 * numbers are needed.
 */
export function pairedDifference({ n, b, c }: PairedCounts): PairedDifference {
  const sums = sumQuantiles(n, b / n, c / n);
  return {
    value: (b - c) / n,
    n,
    low: sums[0] / n,
    high: sums[1] / n,
    sums,
    standardError: Math.sqrt(Math.max(0, b + c - (b - c) ** 2 / n)) / n,
  };
}

/** Smallest sums with cumulative probability at least 2.5 % and 97.5 %. */
function sumQuantiles(n: number, up: number, down: number): [number, number] {
  const same = 1 - up - down;
  let masses = new Float64Array(2 * n + 1);
  let next = new Float64Array(2 * n + 1);
  masses[n] = 1;
  for (let drawn = 1; drawn <= n; drawn++) {
    for (let at = n - drawn; at <= n + drawn; at++) {
      next[at] =
        same * (masses[at] ?? 0) + up * (masses[at - 1] ?? 0) + down * (masses[at + 1] ?? 0);
    }
    [masses, next] = [next, masses];
  }
  const quantile = (share: number) => {
    let total = 0;
    for (const [at, mass] of masses.entries()) {
      total += mass;
      // A hair of slack: sums of many products fall short of round shares.
      if (total >= share - 1e-12) return at - n;
    }
    return n;
  };
  return [quantile(0.025), quantile(0.975)];
}

/** p-values adjusted for having been looked at together (Holm 1979), in the order given. */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((x, y) => x.p - y.p);
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, { p, index }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * p));
    adjusted[index] = largest;
  }
  return adjusted;
}
