/** Where two measured curves over the batch size change order, and how sure that is. */
import { Random } from "../base/random.ts";
import { median, resample, sortedQuantile } from "./interval.ts";

/** One batch size of a curve: one value a repeat, higher is better. */
export interface CurvePoint {
  readonly batch: number;
  readonly values: readonly number[];
}

export type Curve = readonly CurvePoint[];

export interface MeasuredCrossover {
  /** "none" up to `upTo` is a result. */
  readonly kind: "none" | "one" | "many";
  /** Interpolated batch sizes at which the order turns, rising. */
  readonly batches: readonly number[];
  /** Who is faster at the smallest common batch; undefined when equal. */
  readonly fasterBelow: "a" | "b" | undefined;
  readonly from: number;
  readonly upTo: number;
  /**
   * 95 % interval of the first crossing over resampled repeats. `high` undefined: some resamples do
   * not cross up to `upTo`; `low` undefined: no repeats to resample.
   */
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** Share of the resamples that tell the same kind and order; undefined without repeats. */
  readonly support: number | undefined;
}

interface Shape {
  readonly kind: MeasuredCrossover["kind"];
  readonly batches: readonly number[];
  readonly fasterBelow: "a" | "b" | undefined;
}

const resamples = 1000;

/**
 * Compares two curves at the batch sizes they share; between these the logarithm of the ratio is
 * taken as straight over the logarithm of the batch.
 * @returns undefined when they share no batch size
 */
export function findCrossover(a: Curve, b: Curve, seed = 1): MeasuredCrossover | undefined {
  const pairs = commonPoints(a, b);
  const [first, last] = [pairs[0], pairs.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const shape = shapeOf(pairs.map((pair) => [pair.batch, logRatio(pair.ratios)]));
  const bounds = { from: first.batch, upTo: last.batch };
  if (pairs.some((pair) => pair.ratios.length < 2)) {
    return { ...shape, ...bounds, low: undefined, high: undefined, support: undefined };
  }
  const random = new Random(seed);
  const firsts: number[] = [];
  let agreeing = 0;
  for (let i = 0; i < resamples; i++) {
    const drawn = shapeOf(
      pairs.map((pair) => [pair.batch, logRatio(resample(pair.ratios, random))]),
    );
    firsts.push(drawn.batches[0] ?? Number.POSITIVE_INFINITY);
    if (drawn.kind === shape.kind && drawn.fasterBelow === shape.fasterBelow) agreeing++;
  }
  firsts.sort((x, y) => x - y);
  return { ...shape, ...bounds, ...interval(firsts), support: agreeing / resamples };
}

function interval(firsts: readonly number[]): Pick<MeasuredCrossover, "low" | "high"> {
  const finite = (x: number) => (Number.isFinite(x) ? x : undefined);
  return {
    low: finite(sortedQuantile(firsts, 0.025)),
    high: finite(sortedQuantile(firsts, 0.975)),
  };
}

/** Ratios a/b by repeat at each shared batch size, in rising order. */
function commonPoints(a: Curve, b: Curve): { batch: number; ratios: number[] }[] {
  const other = new Map(b.map((point) => [point.batch, point.values]));
  return a
    .flatMap(({ batch, values }) => {
      const against = other.get(batch) ?? [];
      const n = Math.min(values.length, against.length);
      const ratios = Array.from({ length: n }, (_, i) => (values[i] ?? 0) / (against[i] ?? 0));
      return n === 0 ? [] : [{ batch, ratios }];
    })
    .sort((x, y) => x.batch - y.batch);
}

/** Of the median, so that one disturbed repeat in three does not move a crossing. */
function logRatio(ratios: readonly number[]): number {
  return Math.log(median(ratios));
}

/** Sign changes of a polyline over log(batch); touching zero without turning is no crossing. */
function shapeOf(points: readonly (readonly [number, number])[]): Shape {
  const batches: number[] = [];
  let previous: readonly [number, number] | undefined;
  let firstSign = 0;
  for (const point of points) {
    const [batch, value] = point;
    if (value === 0) continue;
    if (previous === undefined) firstSign = Math.sign(value);
    else if (Math.sign(value) !== Math.sign(previous[1])) {
      const share = previous[1] / (previous[1] - value);
      const log = Math.log(previous[0]) + share * (Math.log(batch) - Math.log(previous[0]));
      batches.push(Math.exp(log));
    }
    previous = point;
  }
  return {
    kind: batches.length === 0 ? "none" : batches.length === 1 ? "one" : "many",
    batches,
    fasterBelow: firstSign === 0 ? undefined : firstSign > 0 ? "a" : "b",
  };
}
