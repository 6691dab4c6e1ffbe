/** 95 % intervals of means, ratios and medians from few samples: Student's t and the seeded bootstrap. */
import { assert } from "../base/errors.ts";
import { Random } from "../base/random.ts";

export interface Interval {
  readonly value: number;
  readonly n: number;
  /** undefined where `n` is too small to tell. */
  readonly low: number | undefined;
  readonly high: number | undefined;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Quantile by linear interpolation (type 7, numpy's default) of a sorted list. */
export function sortedQuantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  assert(below !== undefined && above !== undefined, "quantile of an empty list");
  // Equal neighbours first: two infinities have no difference.
  return below === above ? below : below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return sortedQuantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** The mean with its t interval; no interval from a single value. */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length;
  const value = mean(values);
  if (n < 2) return { value, n, low: undefined, high: undefined };
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1);
  const half = studentQuantile(n - 1) * Math.sqrt(variance / n);
  return { value, n, low: value - half, high: value + half };
}

/**
 * The mean of positive values; its interval is the t interval of their logarithms, so that few repeats
 * never reach below zero.
 */
export function positiveInterval(values: readonly number[]): Interval {
  if (values.some((value) => !(value > 0))) return meanInterval(values);
  const value = mean(values);
  const logs = meanInterval(values.map(Math.log));
  const scaled = (x: number | undefined) =>
    x === undefined ? undefined : value * Math.exp(x - logs.value);
  return { value, n: values.length, low: scaled(logs.low), high: scaled(logs.high) };
}

/**
 * Ratio a/b of positive values paired by position: the geometric mean of the ratios, with the t
 * interval of their logarithms. Pairing removes what both share: drift of the machine.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): Interval {
  const n = Math.min(a.length, b.length);
  const logs = Array.from({ length: n }, (_, i) => Math.log((a[i] ?? 0) / (b[i] ?? 0)));
  const { value, low, high } = meanInterval(logs);
  const exp = (x: number | undefined) => (x === undefined ? undefined : Math.exp(x));
  return { value: Math.exp(value), n, low: exp(low), high: exp(high) };
}

/** A statistic with the percentile interval of `resamples` seeded bootstrap samples (Efron 1979). */
export function bootstrapInterval(
  values: readonly number[],
  statistic: (sample: readonly number[]) => number,
  seed: number,
  resamples = 1000,
): Interval {
  const n = values.length;
  const value = statistic(values);
  if (n < 2) return { value, n, low: undefined, high: undefined };
  const random = new Random(seed);
  const results = Array.from({ length: resamples }, () => statistic(resample(values, random)));
  results.sort((x, y) => x - y);
  return { value, n, low: sortedQuantile(results, 0.025), high: sortedQuantile(results, 0.975) };
}

/** As many draws with replacement as there are values. */
export function resample<T>(values: readonly T[], random: Random): T[] {
  return values.map(() => values[random.integer(0, values.length - 1)] as T);
}

/**
 * The 97.5 % quantile of Student's t: half-width of a two-sided 95 % interval in standard errors.
 * Found by bisection of the distribution function.
 */
export function studentQuantile(degreesOfFreedom: number): number {
  let [low, high] = [0, 20];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (studentUpperTail(middle, degreesOfFreedom) > 0.025) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * P(T > t), t >= 0, for whole degrees of freedom: the finite sums of Abramowitz and Stegun
 * 26.7.3 (odd) and 26.7.4 (even), with theta = atan(t / sqrt(nu)).
 */
function studentUpperTail(t: number, nu: number): number {
  const theta = Math.atan(t / Math.sqrt(nu));
  const cosine = Math.cos(theta);
  const odd = nu % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = nu === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k <= nu - 2; k += 2) {
    term *= ((k - 1) / k) * cosine * cosine;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return (1 - within) / 2;
}
