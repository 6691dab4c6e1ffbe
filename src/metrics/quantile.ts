/** Exact statistics of a list of numbers: type-7 quantiles, mean and population deviation. */
import { assert } from "../base/errors.ts";
import type { Distribution } from "./summary-types.ts";

/**
 * Quantile by linear interpolation between order statistics: Hyndman and Fan's type 7, the default
 * of numpy.percentile and R. `sorted` is ascending and not empty, `q` in [0, 1].
 */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  assert(sorted.length > 0, "a quantile needs at least one value");
  assert(q >= 0 && q <= 1, `quantile ${q} is outside [0, 1]`);
  const position = q * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  const below = sorted[low] as number;
  const above = sorted[high] as number;
  // Equal neighbours are returned as they are: interpolating them could round off the last bit.
  return below === above ? below : below + (above - below) * (position - low);
}

/** A quantile of values in any order; undefined for an empty list. */
export function quantile(values: Iterable<number>, q: number): number | undefined {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? undefined : quantileOfSorted(sorted, q);
}

/** All statistics of a Distribution; undefined for an empty list. */
export function describe(values: Iterable<number>): Distribution | undefined {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  if (n === 0) return undefined;
  const min = sorted[0] as number;
  const max = sorted[n - 1] as number;
  let sum = 0;
  for (const value of sorted) sum += value;
  // Rounding may carry the sum of equal values past them; a mean lies between its extremes.
  const mean = Math.min(max, Math.max(min, sum / n));
  let squares = 0;
  for (const value of sorted) squares += (value - mean) ** 2;
  return {
    n,
    mean,
    median: quantileOfSorted(sorted, 0.5),
    std: Math.sqrt(squares / n),
    min,
    max,
    p90: quantileOfSorted(sorted, 0.9),
    p95: quantileOfSorted(sorted, 0.95),
    p99: quantileOfSorted(sorted, 0.99),
  };
}
