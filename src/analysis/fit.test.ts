import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { syntheticRun } from "../../test/synthetic-run.ts";
import { referenceRuns } from "../results/reference.ts";
import { boundCells } from "./bound.ts";
import {
  engineOfRun,
  engineOfRuns,
  fitFactor,
  fitLine,
  fitPointOf,
  residualOf,
  splitCells,
  spreadOf,
} from "./fit.ts";

const share = fc.double({ min: 0.2, max: 1, noNaN: true });
const floors = fc.uniqueArray(fc.double({ min: 1, max: 100, noNaN: true }), {
  minLength: 4,
  maxLength: 9,
});

function pointsOf(floorsMs: readonly number[], measured: (floor: number) => number) {
  return floorsMs.map((memoryMs, i) => ({
    label: "a",
    batch: 2 ** i,
    memoryMs,
    computeMs: memoryMs / 3,
    measuredMs: measured(memoryMs),
  }));
}

describe("fits", () => {
  it("recover the share of a row that keeps to it", () => {
    fc.assert(
      fc.property(floors, share, (floorsMs, memory) => {
        const points = pointsOf(floorsMs, (floor) => floor / memory);
        expect(fitFactor(points).memory).toBeCloseTo(memory, 9);
      }),
    );
  });

  it("recover the share of a row whose cores read and multiply in turn", () => {
    fc.assert(
      fc.property(floors, share, (floorsMs, memory) => {
        const points = pointsOf(floorsMs, (floor) => (floor + floor / 3) / memory);
        const fit = fitFactor(points, true);
        expect(fit.memory).toBeCloseTo(memory, 9);
        for (const point of points) expect(Math.abs(residualOf(point, fit))).toBeLessThan(1e-9);
      }),
    );
  });

  it("recover share and overhead together", () => {
    fc.assert(
      fc.property(floors, share, fc.double({ min: 0.5, max: 20, noNaN: true }), (xs, m, o) => {
        fc.pre(Math.max(...xs) / Math.min(...xs) > 1.5);
        const points = pointsOf(xs, (floor) => floor / m + o);
        const fit = fitLine(points);
        for (const point of points) expect(Math.abs(residualOf(point, fit))).toBeLessThan(1e-6);
      }),
    );
  });

  it("never claim to beat a ceiling", () => {
    fc.assert(
      fc.property(floors, fc.double({ min: 0.1, max: 3, noNaN: true }), (xs, factor) => {
        const fit = fitLine(pointsOf(xs, (floor) => floor * factor + 1));
        expect(fit.memory).toBeLessThanOrEqual(1 + 1e-9);
        expect(fit.overheadMs ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("hold out every other cell of each row", () => {
    const { fitted, heldOut } = splitCells(boundCells(syntheticRun()));
    expect(fitted.length + heldOut.length).toBe(15);
    for (const row of ["bf16", "fp8", "awq"]) {
      const count = heldOut.filter(({ label }) => label === row).length;
      expect(count).toBe(2);
    }
  });

  it("have a spread that covers nine in ten residuals", () => {
    expect(spreadOf([0, 0, 0])).toBe(1.05);
    expect(spreadOf([0.2, -0.2])).toBeGreaterThan(1.2);
    expect(spreadOf([])).toBe(1);
  });
});

describe("engines", () => {
  it("of a run have a factor for each row", () => {
    const engine = engineOfRun(syntheticRun());
    expect(Object.keys(engine?.efficiency ?? {})).toEqual(["bf16", "fp8", "awq"]);
    expect(engineOfRun({ ...syntheticRun(), results: [] })).toBeUndefined();
  });

  it("of the published runs tell their own cells within 12 %", () => {
    const engine = engineOfRuns(referenceRuns, "published");
    if (engine === undefined) throw new Error("the published runs have decode cells");
    for (const cell of referenceRuns.flatMap(boundCells)) {
      expect(Math.abs(residualOf(fitPointOf(cell), engine.otherwise))).toBeLessThan(0.12);
    }
  });
});
