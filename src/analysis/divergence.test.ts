import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { DivergenceColumns } from "../metrics/divergence-record.ts";
import { divergenceRatio, summarizeDivergence } from "./divergence.ts";
import { sortedQuantile } from "./interval.ts";

/** Tokens whose divergence has a part that is shared within its window. */
function columnsOf(windows: number, size: number, seed: number, shared: number): DivergenceColumns {
  const random = new Random(seed);
  const length = windows * size;
  const kl = new Float64Array(length);
  const reference = new Float64Array(length);
  const other = new Float64Array(length);
  for (let window = 0; window < windows; window++) {
    const common = shared * random.exponential();
    for (let i = window * size; i < (window + 1) * size; i++) {
      kl[i] = common + random.exponential();
      reference[i] = -random.exponential();
      other[i] = (reference[i] ?? 0) - 0.01 * random.uniform();
    }
  }
  return {
    window: Int32Array.from({ length }, (_, i) => Math.floor(i / size)),
    referenceLogProb: reference,
    logProb: other,
    kl,
    sameTop: Uint8Array.from({ length }, () => (random.uniform() < 0.9 ? 1 : 0)),
  };
}

describe("summarizeDivergence", () => {
  const columns = columnsOf(20, 50, 3, 0);
  const summary = summarizeDivergence(columns);

  it("gives the plain statistics of all tokens", () => {
    const sorted = [...columns.kl].sort((a, b) => a - b);
    expect(summary.klMedian.value).toBeCloseTo(sortedQuantile(sorted, 0.5), 12);
    expect(summary.klP99.value).toBeCloseTo(sortedQuantile(sorted, 0.99), 12);
    expect(summary.klMax).toBe(sorted.at(-1));
    expect(summary.klMean.value).toBeCloseTo(sorted.reduce((a, b) => a + b) / 1000, 12);
    const mean = columns.logProb.reduce((a, b) => a + b) / 1000;
    expect(summary.perplexity.value).toBeCloseTo(Math.exp(-mean), 12);
    expect(summary.perplexityRatio.value).toBeCloseTo(
      summary.perplexity.value / summary.referencePerplexity.value,
      12,
    );
  });

  it("puts every value inside its interval, low before high", () => {
    for (const figure of Object.values(summary)) {
      if (typeof figure === "number" || "length" in figure) continue;
      expect(figure.low).toBeLessThan(figure.value);
      expect(figure.high).toBeGreaterThan(figure.value);
    }
  });

  it("covers the true mean about as often as it says", () => {
    const trials = 100;
    const covered = Array.from({ length: trials }, (_, seed) => {
      const { klMean } = summarizeDivergence(columnsOf(30, 20, seed, 1));
      return (klMean.low ?? 0) <= 2 && 2 <= (klMean.high ?? 0);
    }).filter(Boolean).length;
    expect(covered / trials).toBeGreaterThan(0.85);
  });

  it("is wider where tokens of a window move together", () => {
    const width = (shared: number) => {
      const { klMean } = summarizeDivergence(columnsOf(20, 50, 3, shared));
      return ((klMean.high ?? 0) - (klMean.low ?? 0)) / klMean.value;
    };
    expect(width(3)).toBeGreaterThan(2 * width(0));
  });

  it("compares two rows in pairs of windows: what both share does not widen the interval", () => {
    const far = columnsOf(30, 20, 7, 3);
    const near = { ...far, kl: far.kl.map((kl) => kl * 0.8) };
    const [a, b] = [summarizeDivergence(near), summarizeDivergence(far)];
    const ratio = divergenceRatio(a.klByWindow, b.klByWindow);
    expect(ratio.value).toBeCloseTo(0.8, 12);
    expect(ratio.high).toBeCloseTo(0.8, 12);
    // Taken alone, the two intervals overlap.
    expect(a.klMean.high).toBeGreaterThan(b.klMean.low ?? 0);
    expect(a.klMean.value).toBeCloseTo(a.klByWindow.reduce((x, y) => x + y) / 30, 12);
  });

  it("has no intervals from one window, and bounds the share above the largest", () => {
    const { klMean, klAboveMax, windows } = summarizeDivergence(columnsOf(1, 50, 3, 0));
    expect(windows).toBe(1);
    expect([klMean.low, klMean.high]).toEqual([undefined, undefined]);
    expect((1 - klAboveMax) ** 50).toBeCloseTo(0.025, 12);
  });
});
