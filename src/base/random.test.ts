/** The generator: the same sequence everywhere, and the distributions it claims. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "./random.ts";

/** Mean and variance of n draws. */
function moments(n: number, draw: () => number): { mean: number; variance: number } {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const x = draw();
    sum += x;
    squares += x * x;
  }
  const mean = sum / n;
  return { mean, variance: squares / n - mean * mean };
}

describe("Random", () => {
  it("gives this sequence for seed 1, on every machine", () => {
    const random = new Random(1);
    expect([random.uint32(), random.uint32(), random.uint32()]).toMatchInlineSnapshot(`
      [
        2442144158,
        3238099751,
        3819917871,
      ]
    `);
  });

  it("uses all 53 bits of the seed", () => {
    const first = new Set<number>();
    for (let high = 0; high < 64; high++) first.add(new Random(high * 2 ** 32 + 7).uint32());
    expect(first.size).toBe(64);
  });

  it("uniform stays in [0, 1) with mean 1/2 and variance 1/12", () => {
    const random = new Random(2);
    const { mean, variance } = moments(200_000, () => {
      const u = random.uniform();
      if (u < 0 || u >= 1) throw new Error(`out of range: ${u}`);
      return u;
    });
    expect(mean).toBeCloseTo(0.5, 2);
    expect(variance).toBeCloseTo(1 / 12, 2);
  });

  it("normal has mean 0 and variance 1", () => {
    const random = new Random(3);
    const { mean, variance } = moments(200_000, () => random.normal());
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
  });

  it.each([0.25, 1, 4])("gamma(%d) has mean and variance equal to its shape", (shape) => {
    const random = new Random(4);
    const { mean, variance } = moments(200_000, () => random.gamma(shape));
    expect(Math.abs(mean / shape - 1)).toBeLessThan(0.02);
    expect(Math.abs(variance / shape - 1)).toBeLessThan(0.05);
  });

  it("integer covers both ends and nothing else", () => {
    const random = new Random(5);
    const seen = new Set(Array.from({ length: 1000 }, () => random.integer(-2, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  it("shuffle is a permutation and leaves its input alone", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
        const copy = [...items];
        const shuffled = new Random(seed).shuffle(items);
        expect(items).toEqual(copy);
        expect([...shuffled].sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
      }),
    );
  });
});
