/** Sums up how far a format's distributions are from the reference's, each figure with a block bootstrap interval. */
import { Random } from "../base/random.ts";
import type { DivergenceColumns } from "../metrics/divergence-record.ts";
import { type Interval, resample, sortedQuantile } from "./interval.ts";

export interface DivergenceSummary {
  readonly tokens: number;
  readonly windows: number;
  readonly referencePerplexity: Interval;
  readonly perplexity: Interval;
  /** The other's perplexity over the reference's on the same tokens. */
  readonly perplexityRatio: Interval;
  /** Nats. */
  readonly klMean: Interval;
  /** Mean of each window: with it, two rows on the same text can be compared in pairs. */
  readonly klByWindow: readonly number[];
  readonly klMedian: Interval;
  readonly klP99: Interval;
  /** The largest seen; a largest value has no interval, but above it lies at most `klAboveMax` of all tokens. */
  readonly klMax: number;
  /** 97.5 % upper bound of the share of tokens with a divergence above `klMax`, were tokens independent. */
  readonly klAboveMax: number;
  /** Share of tokens at which both find the same token most likely. */
  readonly topAgreement: Interval;
  /** Change of the probability of the token that stands there: mean and root mean square. */
  readonly probabilityChange: Interval;
  readonly probabilityChangeRms: Interval;
}

const resamples = 1000;
const seed = 20_240_601;

/**
 * Tokens of one window depend on each other, so whole windows are drawn with replacement (block
 * bootstrap, percentiles of 1000 resamples, seeded); with fewer than two there are no intervals.
 */
export function summarizeDivergence(columns: DivergenceColumns): DivergenceSummary {
  const tokens = columns.kl.length;
  const windows = (columns.window.at(-1) ?? -1) + 1;
  const changes = columns.logProb.map(
    (logProb, i) => Math.exp(logProb) - Math.exp(columns.referenceLogProb[i] ?? 0),
  );
  const boot = new BlockBootstrap(columns.window, windows);
  const mean = (values: ArrayLike<number>) => boot.mean(values);
  return {
    tokens,
    windows,
    referencePerplexity: mapped(mean(columns.referenceLogProb), (x) => Math.exp(-x)),
    perplexity: mapped(mean(columns.logProb), (x) => Math.exp(-x)),
    perplexityRatio: mapped(
      mean(columns.logProb.map((x, i) => x - (columns.referenceLogProb[i] ?? 0))),
      (x) => Math.exp(-x),
    ),
    klMean: mean(columns.kl),
    klByWindow: meansByWindow(columns.kl, columns.window, windows),
    klMedian: boot.quantile(columns.kl, 0.5),
    klP99: boot.quantile(columns.kl, 0.99),
    klMax: columns.kl.reduce((largest, kl) => Math.max(largest, kl), 0),
    klAboveMax: 1 - 0.025 ** (1 / tokens),
    topAgreement: mean(columns.sameTop),
    probabilityChange: mean(changes),
    probabilityChangeRms: mapped(mean(changes.map((x) => x * x)), Math.sqrt),
  };
}

function meansByWindow(values: Float64Array, window: Int32Array, windows: number): number[] {
  const sums = new Float64Array(windows);
  const sizes = new Float64Array(windows);
  for (const [i, value] of values.entries()) {
    const at = window[i] ?? 0;
    sums[at] = (sums[at] ?? 0) + value;
    sizes[at] = (sizes[at] ?? 0) + 1;
  }
  return [...sums].map((sum, at) => sum / (sizes[at] ?? 1));
}

/**
 * How many times as far from the reference the first row is as the second, from the means of the
 * same windows of equal size: pairs of windows are resampled.
 */
export function divergenceRatio(first: readonly number[], second: readonly number[]): Interval {
  const pairs = first.map((kl, i) => [kl, second[i] ?? Number.NaN] as const);
  const ratio = (sample: readonly (readonly [number, number])[]) =>
    sample.reduce((sum, [a]) => sum + a, 0) / sample.reduce((sum, [, b]) => sum + b, 0);
  const n = pairs.length;
  if (n < 2) return { value: ratio(pairs), n, low: undefined, high: undefined };
  const random = new Random(seed);
  const drawn = Array.from({ length: resamples }, () => ratio(resample(pairs, random)));
  drawn.sort((a, b) => a - b);
  return {
    value: ratio(pairs),
    n,
    low: sortedQuantile(drawn, 0.025),
    high: sortedQuantile(drawn, 0.975),
  };
}

/** An interval of a monotone function. */
function mapped({ value, n, low, high }: Interval, of: (x: number) => number): Interval {
  const ends = [low, high].map((x) => (x === undefined ? undefined : of(x)));
  const [a, b] = ends;
  if (a === undefined || b === undefined) {
    return { value: of(value), n, low: undefined, high: undefined };
  }
  return { value: of(value), n, low: Math.min(a, b), high: Math.max(a, b) };
}

/** The same resamples of windows for every statistic. */
class BlockBootstrap {
  readonly #window: Int32Array;
  readonly #windows: number;
  /** How often each window is drawn, one row a resample. */
  readonly #counts: Uint16Array[];

  constructor(window: Int32Array, windows: number) {
    this.#window = window;
    this.#windows = windows;
    const random = new Random(seed);
    this.#counts = Array.from({ length: windows < 2 ? 0 : resamples }, () => {
      const counts = new Uint16Array(windows);
      for (let i = 0; i < windows; i++) {
        const drawn = random.integer(0, windows - 1);
        counts[drawn] = (counts[drawn] ?? 0) + 1;
      }
      return counts;
    });
  }

  mean(values: ArrayLike<number>): Interval {
    const sums = new Float64Array(this.#windows);
    const sizes = new Float64Array(this.#windows);
    for (let i = 0; i < values.length; i++) {
      const window = this.#window[i] ?? 0;
      sums[window] = (sums[window] ?? 0) + (values[i] ?? 0);
      sizes[window] = (sizes[window] ?? 0) + 1;
    }
    return this.#interval((counts) => {
      let sum = 0;
      let size = 0;
      for (let window = 0; window < this.#windows; window++) {
        sum += (counts[window] ?? 0) * (sums[window] ?? 0);
        size += (counts[window] ?? 0) * (sizes[window] ?? 0);
      }
      return sum / size;
    });
  }

  quantile(values: Float64Array, share: number): Interval {
    const order = Uint32Array.from(values.keys()).sort(
      (a, b) => (values[a] ?? 0) - (values[b] ?? 0),
    );
    const sizes = new Float64Array(this.#windows);
    for (const window of this.#window) sizes[window] = (sizes[window] ?? 0) + 1;
    return this.#interval((counts) => {
      const total = sizes.reduce((sum, size, window) => sum + size * (counts[window] ?? 0), 0);
      return this.#weightedQuantile(values, order, counts, share * (total - 1));
    });
  }

  /** Type 7, as in interval.ts, of values that each occur as often as their window was drawn. */
  #weightedQuantile(
    values: Float64Array,
    order: Uint32Array,
    counts: Uint16Array,
    position: number,
  ): number {
    const below = Math.floor(position);
    let passed = 0;
    let lower: number | undefined;
    for (const index of order) {
      passed += counts[this.#window[index] ?? 0] ?? 0;
      const value = values[index] ?? 0;
      if (lower === undefined && passed > below) lower = value;
      if (passed > Math.ceil(position)) {
        return (lower ?? value) + (value - (lower ?? value)) * (position - below);
      }
    }
    return lower ?? Number.NaN;
  }

  #interval(statistic: (counts: Uint16Array) => number): Interval {
    const value = statistic(new Uint16Array(this.#windows).fill(1));
    const n = this.#window.length;
    if (this.#counts.length === 0) return { value, n, low: undefined, high: undefined };
    const drawn = this.#counts.map(statistic).sort((a, b) => a - b);
    return { value, n, low: sortedQuantile(drawn, 0.025), high: sortedQuantile(drawn, 0.975) };
  }
}
