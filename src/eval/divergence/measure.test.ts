import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareRow, cutWindows, type LogitsSource, measureDivergence } from "./measure.ts";

const softmax = (logits: Float32Array) => {
  const weights = [...logits].map(Math.exp);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
};

const logitRow = fc.float32Array({
  minLength: 7,
  maxLength: 7,
  min: -20,
  max: 20,
  noNaN: true,
});

describe("compareRow", () => {
  it("agrees with the definitions written out", () => {
    fc.assert(
      fc.property(logitRow, logitRow, fc.integer({ min: 0, max: 6 }), (a, b, token) => {
        const [p, q] = [softmax(a), softmax(b)];
        const kl = p.reduce((sum, pi, i) => sum + pi * Math.log(pi / (q[i] ?? 0)), 0);
        const found = compareRow(a, b, token);
        expect(found.kl).toBeCloseTo(kl, 8);
        expect(found.kl).toBeGreaterThanOrEqual(0);
        expect(Math.exp(found.referenceLogProb)).toBeCloseTo(p[token] ?? -1, 10);
        expect(Math.exp(found.logProb)).toBeCloseTo(q[token] ?? -1, 10);
        expect(found.sameTop).toBe(a.indexOf(Math.max(...a)) === b.indexOf(Math.max(...b)));
      }),
    );
  });

  it("is 0 for a distribution against itself, and for one shifted as a whole", () => {
    const row = Float32Array.of(1, 2, 3);
    expect(compareRow(row, row, 0).kl).toBe(0);
    expect(compareRow(row, Float32Array.of(5, 6, 7), 0).kl).toBeCloseTo(0, 12);
  });

  it("takes logits far beyond what exponentials hold", () => {
    const { kl } = compareRow(Float32Array.of(1000, 0), Float32Array.of(999, 0), 0);
    expect(kl).toBe(0);
    expect(compareRow(Float32Array.of(0, 1000), Float32Array.of(1000, 0), 0).kl).toBe(1000);
  });
});

/** Logits that depend on the whole context so far. */
const source = (vocabSize: number, shift = 0): LogitsSource => ({
  vocabSize,
  *logitsOf(tokens) {
    let sum = 0;
    for (const token of tokens) {
      sum += token;
      yield Float32Array.from({ length: vocabSize }, (_, i) => Math.sin(sum + i) + shift * i);
    }
  },
});

describe("measureDivergence", () => {
  const tokens = Array.from({ length: 50 }, (_, i) => (i * 7) % 5);

  it("scores every token that has something in front of it, window by window", () => {
    const cut = cutWindows(tokens, 10, 35, [4]);
    expect(cut.windows).toHaveLength(3);
    expect(cut.windows[1]?.slice(0, 3)).toEqual([4, tokens[10], tokens[11]]);
    const columns = measureDivergence(source(5), source(5, 0.1), cut);
    expect(columns.kl).toHaveLength(30);
    expect([...columns.window]).toEqual([0, 1, 2].flatMap((w) => new Array<number>(10).fill(w)));
    const [first] = source(5).logitsOf([4]);
    const [shifted] = source(5, 0.1).logitsOf([4]);
    const expected = compareRow(
      first ?? new Float32Array(),
      shifted ?? new Float32Array(),
      tokens[0] ?? 0,
    );
    expect(columns.kl[0]).toBe(expected.kl);
    expect(columns.referenceLogProb[0]).toBe(expected.referenceLogProb);
  });

  it("leaves out the first token where there is no prefix", () => {
    expect(cutWindows(tokens, 10, 1000, []).scored).toBe(45);
  });

  it("refuses other vocabularies and texts shorter than a window", () => {
    expect(() => measureDivergence(source(5), source(6), cutWindows(tokens, 10, 50, []))).toThrow(
      "5 and 6 tokens",
    );
    expect(() => cutWindows(tokens, 51, 1000, [])).toThrow(
      "has 50 tokens, but one window takes 51",
    );
  });
});
