import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { type Curve, findCrossover } from "./crossover.ts";

const batches = [1, 2, 4, 8, 16, 32, 64];
const curve = (value: (batch: number) => number, repeats = 1): Curve =>
  batches.map((batch) => ({ batch, values: Array.from({ length: repeats }, () => value(batch)) }));

describe("crossover of measured curves", () => {
  it("is none when one is faster everywhere, and says which and how far", () => {
    fc.assert(
      fc.property(fc.double({ min: 1.001, max: 9, noNaN: true }), (factor) => {
        const found = findCrossover(
          curve((b) => 10 * b ** 0.7),
          curve((b) => (10 * b ** 0.7) / factor),
        );
        expect(found).toMatchObject({ kind: "none", batches: [], fasterBelow: "a", upTo: 64 });
      }),
    );
  });

  it("finds one crossing of power laws exactly, wherever it is", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1.01, max: 63, noNaN: true }),
        fc.double({ min: 0.05, max: 2, noNaN: true }),
        (at, slope) => {
          const rising = curve((b) => (b / at) ** slope * 100);
          const level = curve(() => 100);
          const found = findCrossover(level, rising);
          expect(found?.kind).toBe("one");
          expect(found?.fasterBelow).toBe("a");
          expect((found?.batches[0] ?? 0) / at).toBeCloseTo(1, 6);
          const turned = findCrossover(rising, level);
          expect(turned?.fasterBelow).toBe("b");
          expect((turned?.batches[0] ?? 0) / at).toBeCloseTo(1, 6);
        },
      ),
    );
  });

  it("lists every crossing of a pair that turns at each step", () => {
    const zigzag = batches.map((batch, i) => ({ batch, values: [i % 2 === 0 ? 2 : 0.5] }));
    const found = findCrossover(
      zigzag,
      curve(() => 1),
    );
    expect(found?.kind).toBe("many");
    expect(found?.batches).toHaveLength(batches.length - 1);
    for (const [i, at] of (found?.batches ?? []).entries()) {
      expect(at).toBeCloseTo(Math.SQRT2 * (batches[i] ?? 0), 9);
    }
  });

  it("does not take a touch for a crossing", () => {
    const touch = batches.map((batch) => ({ batch, values: [batch === 8 ? 1 : 2] }));
    expect(
      findCrossover(
        touch,
        curve(() => 1),
      )?.kind,
    ).toBe("none");
    expect(
      findCrossover(
        curve(() => 1),
        curve(() => 1),
      )?.fasterBelow,
    ).toBeUndefined();
  });

  it("has an interval that holds the true crossing in about 95 of 100 noisy runs", () => {
    const random = new Random(3);
    const trials = 60;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      const noisy = (value: (batch: number) => number): Curve =>
        batches.map((batch) => ({
          batch,
          values: Array.from({ length: 7 }, () => value(batch) * Math.exp(0.05 * random.normal())),
        }));
      const found = findCrossover(
        noisy(() => 100),
        noisy((b) => 100 * (b / 12) ** 0.5),
        trial,
      );
      const { low = 0, high = Number.POSITIVE_INFINITY } = found ?? {};
      if (low <= 12 && 12 <= high) held++;
    }
    expect(held / trials).toBeGreaterThan(0.85);
  });

  it("has little support where noise alone decides", () => {
    const random = new Random(11);
    const noise = (): Curve =>
      batches.map((batch) => ({
        batch,
        values: Array.from({ length: 4 }, () => 100 * Math.exp(0.1 * random.normal())),
      }));
    expect(findCrossover(noise(), noise())?.support).toBeLessThan(0.95);
  });

  it("gives no interval from a single repeat, and nothing without a common batch", () => {
    const one = findCrossover(
      curve(() => 2),
      curve((b) => b),
    );
    expect(one).toMatchObject({ kind: "one", low: undefined, support: undefined });
    expect(findCrossover([{ batch: 1, values: [1] }], [{ batch: 2, values: [1] }])).toBeUndefined();
  });
});
