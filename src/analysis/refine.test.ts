import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { syntheticRows, syntheticRun } from "../../test/synthetic-run.ts";
import { analyzeRun } from "./analyze.ts";
import { noiseFinding, variations } from "./noise.ts";
import { batchesToMeasure } from "./refine.ts";

describe("batches to measure", () => {
  it("close in on the true crossing, run after run", () => {
    // awq meets bf16 at batch 25; only these two rows, so that there is one crossing.
    const rows = syntheticRows.filter(({ label }) => label !== "fp8");
    let batches = [1, 64];
    for (let round = 0; round < 8; round++) {
      const { crossovers } = analyzeRun(syntheticRun({ rows, batches }));
      batches = [...batches, ...batchesToMeasure(crossovers, batches)].sort((a, b) => a - b);
    }
    const below = Math.max(...batches.filter((batch) => batch <= 25));
    const above = Math.min(...batches.filter((batch) => batch > 25));
    expect(above / below).toBeLessThanOrEqual(1.5);
    expect(batches.length).toBeLessThan(8);
  });

  it("are new, whole and between measured ones, whatever crosses", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 2, noNaN: true }), (slope) => {
        const rows = syntheticRows.map((row, i) =>
          i === 2 ? { ...row, stepMs: (b: number) => 5 + slope * b } : row,
        );
        const { crossovers } = analyzeRun(syntheticRun({ rows }));
        const measured = [1, 4, 16, 64];
        for (const batch of batchesToMeasure(crossovers, measured)) {
          expect(Number.isInteger(batch) && batch > 1 && batch < 64).toBe(true);
          expect(measured).not.toContain(batch);
        }
      }),
      { numRuns: 10 },
    );
  });
});

describe("noise", () => {
  it("is the variation of cells between their repeats", () => {
    const run = syntheticRun({ repeats: 3, noise: (repeat) => 1 + 0.1 * (repeat - 1) });
    expect(Math.max(...variations(run))).toBeCloseTo(0.1, 1);
    expect(noiseFinding(run)[0]?.claim).toMatch(/varies by .* between its repeats.*ABBA/);
    expect(noiseFinding(syntheticRun())[0]?.claim).toMatch(/not known/);
  });
});
