import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../base/random.ts";
import { closed } from "./closed.ts";
import { arrivalOf, arrivals } from "./registry.ts";

const rate = fc.double({ min: 0.01, max: 1000, noNaN: true });
const burstiness = fc.oneof(
  fc.constantFrom(1, Number.POSITIVE_INFINITY),
  fc.double({ min: 0.05, max: 50, noNaN: true }),
);

function gapsOf(times: readonly number[]): number[] {
  return times.map((time, i) => time - (times[i - 1] ?? 0));
}

/** Standard deviation over mean: 1 for exponential gaps, 0 for equal ones. */
function variation(values: readonly number[]): number {
  const mean = values.reduce((total, x) => total + x, 0) / values.length;
  const variance = values.reduce((total, x) => total + (x - mean) ** 2, 0) / values.length;
  return Math.sqrt(variance) / mean;
}

test("every rate and burstiness has exactly one process", () => {
  fc.assert(
    fc.property(fc.oneof(rate, fc.constant(Number.POSITIVE_INFINITY)), burstiness, (r, b) => {
      const settings = { requestRate: r, burstiness: b };
      expect(arrivals.filter((kind) => kind.accepts(settings))).toHaveLength(1);
    }),
  );
});

test("times ascend, and the last is exactly count / rate, as vLLM rescales them", () => {
  fc.assert(
    fc.property(rate, burstiness, fc.integer({ min: 1, max: 80 }), fc.nat(), (r, b, n, seed) => {
      const times = arrivalOf({ requestRate: r, burstiness: b }).times(n, new Random(seed));
      expect(times).toHaveLength(n);
      expect(times).toEqual(times.toSorted((x, y) => x - y));
      expect(times.every((time) => time >= 0)).toBe(true);
      expect(times.at(-1)).toBe((n / r) * 1e3);
    }),
  );
});

test.each([
  { burstiness: 1, name: "poisson", expected: 1 },
  { burstiness: 0.25, name: "gamma", expected: 2 },
  { burstiness: 4, name: "gamma", expected: 0.5 },
  { burstiness: Number.POSITIVE_INFINITY, name: "constant", expected: 0 },
])("burstiness $burstiness is $name with gaps of variation $expected", (row) => {
  const process = arrivalOf({ requestRate: 4, burstiness: row.burstiness });
  expect(process.name).toBe(row.name);
  const gaps = gapsOf(process.times(20_000, new Random(7)));
  expect(Math.abs(variation(gaps) - row.expected)).toBeLessThan(0.05 * Math.max(row.expected, 1));
});

test("a burst and a closed loop have everything due at once", () => {
  const burst = arrivalOf({ requestRate: Number.POSITIVE_INFINITY, burstiness: 1 });
  expect(burst.times(3, new Random(0))).toEqual([0, 0, 0]);
  expect(closed(2).times(3, new Random(0))).toEqual([0, 0, 0]);
});

test.each(["linear", "exponential"] as const)(
  "a %s ramp has its rate at every request",
  (strategy) => {
    const settings = { strategy, startRps: 2, endRps: 50 };
    const constant = {
      requestRate: Number.POSITIVE_INFINITY,
      burstiness: Number.POSITIVE_INFINITY,
    };
    const gaps = gapsOf(arrivalOf({ ...constant, ramp: settings }).times(5, new Random(0)));
    expect(gaps[0]).toBeCloseTo(500, 9);
    expect(gaps[4]).toBeCloseTo(20, 9);
    const middle = strategy === "linear" ? 26 : 10;
    expect(gaps[2]).toBeCloseTo(1e3 / middle, 9);
    const drawn = arrivalOf({ requestRate: 1, burstiness: 1, ramp: { ...settings, endRps: 2 } });
    expect(drawn.description).toBe(`${strategy} ramp from 2 to 2 requests/s`);
    const mean = (drawn.times(20_000, new Random(1)).at(-1) ?? 0) / 20_000;
    expect(mean / 500).toBeCloseTo(1, 1);
  },
);

test("the same seed gives the same times", () => {
  const process = arrivalOf({ requestRate: 4, burstiness: 1 });
  expect(process.times(50, new Random(3))).toEqual(process.times(50, new Random(3)));
  expect(process.times(50, new Random(3))).not.toEqual(process.times(50, new Random(4)));
});

test.each([0, -1, Number.NaN])("rate or burstiness %d is refused", (value) => {
  expect(() => arrivalOf({ requestRate: value, burstiness: 1 })).toThrow("above 0");
  expect(() => arrivalOf({ requestRate: 1, burstiness: value })).toThrow("above 0");
});
