/** Efficiency factors fitted to measured decode cells, and how well they tell cells that they never saw. */
import type { Run } from "../results/run.ts";
import { type Efficiency, floorEfficiency, workMsOf } from "../roofline/predict.ts";
import type { EngineModel } from "../roofline/forecast.ts";
import { type BoundCell, boundCells } from "./bound.ts";
import { median, sortedQuantile } from "./interval.ts";

/** A measured decode step beside the least time of its bytes and its FLOPs. */
export interface FitPoint {
  readonly label: string;
  readonly batch: number;
  readonly memoryMs: number;
  readonly computeMs: number;
  readonly measuredMs: number;
}

/** A share of the ceilings and a cost per step that together tell measured times. */
export interface EngineFit {
  readonly efficiency: Efficiency;
  readonly points: number;
}

const floorMs = ({ memoryMs, computeMs }: FitPoint) => Math.max(memoryMs, computeMs);

/** Our own engine runs on the processor, whose cores read and multiply in turn. */
export function takesTurns({ manifest: { published, machine } }: Run): boolean {
  return published === undefined && machine.accelerator === undefined;
}

/** The time of a step by the fitted numbers. */
export function fittedMs(point: FitPoint, efficiency: Efficiency): number {
  const { memory, compute, overheadMs = 0 } = efficiency;
  const parts = { memoryMs: point.memoryMs / memory, computeMs: point.computeMs / compute };
  return workMsOf(parts, efficiency) + overheadMs;
}

/**
 * One factor for a row: the geometric mean of work at the ceilings over measured time, so that no cell
 * weighs more. @param serial whether reading and arithmetic take turns
 */
export function fitFactor(points: readonly FitPoint[], serial = false): Efficiency {
  if (points.length === 0) return floorEfficiency;
  const logs = points.map((point) => Math.log(workMsOf(point, { serial }) / point.measuredMs));
  const share = Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  return { memory: share, compute: share, ...(serial ? { serial } : {}) };
}

/**
 * One share and one cost per step for all points, by least squares of relative errors: with
 * measured = slope * floor + overhead, the sum of ((slope * x + overhead) / y - 1)^2 is least. A slope
 * below 1 would beat the floor, and an overhead below 0 nothing: then the other alone is fitted.
 */
export function fitLine(points: readonly FitPoint[]): Efficiency {
  let [xx, xo, oo, x1, o1] = [0, 0, 0, 0, 0];
  for (const point of points) {
    const [u, v] = [floorMs(point) / point.measuredMs, 1 / point.measuredMs];
    xx += u * u;
    xo += u * v;
    oo += v * v;
    x1 += u;
    o1 += v;
  }
  const determinant = xx * oo - xo * xo;
  if (points.length < 3 || determinant <= 1e-12 * xx * oo) return fitFactor(points);
  const slope = (x1 * oo - o1 * xo) / determinant;
  const overheadMs = (o1 * xx - x1 * xo) / determinant;
  if (overheadMs <= 0) return fitFactor(points);
  if (slope < 1) return { ...floorEfficiency, overheadMs: Math.max(0, (o1 - xo) / oo) };
  return { memory: 1 / slope, compute: 1 / slope, overheadMs };
}

export function fitPointOf({ label, batch, floor, measuredMs }: BoundCell): FitPoint {
  const { memoryMs, computeMs } = floor;
  return { label, batch, memoryMs, computeMs, measuredMs: measuredMs.value };
}

/**
 * Every other cell of a row, by batch, is fitted; the others are held out. Latency and throughput at
 * one batch are two cells.
 */
export function splitCells(cells: readonly BoundCell[]): {
  readonly fitted: readonly BoundCell[];
  readonly heldOut: readonly BoundCell[];
} {
  const seen = new Map<string, number>();
  const sorted = cells.toSorted((a, b) => a.batch - b.batch);
  const isFitted = sorted.map(({ label }) => {
    const index = seen.get(label) ?? 0;
    seen.set(label, index + 1);
    return index % 2 === 0;
  });
  return {
    fitted: sorted.filter((_, index) => isFitted[index] === true),
    heldOut: sorted.filter((_, index) => isFitted[index] === false),
  };
}

/** predicted / measured - 1. */
export function residualOf(point: FitPoint, efficiency: Efficiency): number {
  return fittedMs(point, efficiency) / point.measuredMs - 1;
}

/** Nine in ten measurements are within this factor of the prediction, and never less than 5 %. */
export function spreadOf(residuals: readonly number[]): number {
  const factors = residuals.map((residual) => Math.exp(Math.abs(Math.log1p(residual))));
  factors.sort((a, b) => a - b);
  return factors.length === 0 ? 1 : Math.max(1.05, sortedQuantile(factors, 0.9));
}

export function medianAbsolute(residuals: readonly number[]): number | undefined {
  return residuals.length === 0 ? undefined : median(residuals.map(Math.abs));
}

/** One factor for each row of a run, from all its decode cells; undefined when there are none. */
export function engineOfRun(run: Run): EngineModel | undefined {
  const cells = boundCells(run);
  if (cells.length === 0) return undefined;
  const rows = [...new Set(cells.map(({ label }) => label))];
  const points = cells.map(fitPointOf);
  const serial = takesTurns(run);
  const efficiency = Object.fromEntries(
    rows.map((row) => [
      row,
      fitFactor(
        points.filter(({ label }) => label === row),
        serial,
      ),
    ]),
  );
  const residuals = points.map((p) => residualOf(p, efficiency[p.label] ?? floorEfficiency));
  return {
    efficiency,
    otherwise: fitFactor(points, serial),
    spread: spreadOf(residuals),
    source: `one factor a row, fitted to ${cells.length} decode cells of ${run.folder}`,
  };
}

/** One share and one cost per step for several runs on several devices, whatever the format. */
export function engineOfRuns(runs: readonly Run[], source: string): EngineModel | undefined {
  const points = runs.flatMap(boundCells).map(fitPointOf);
  if (points.length === 0) return undefined;
  const otherwise = fitLine(points);
  const residuals = points.map((point) => residualOf(point, otherwise));
  return { efficiency: {}, otherwise, spread: spreadOf(residuals), source };
}
