/** Two rows of one run paired by repeat, and two runs cell by cell: ratios with intervals. */
import { QuantlabError } from "../base/errors.ts";
import { figureDefinitions } from "../results/figures.ts";
import type { Run } from "../results/run.ts";
import { type FigurePlace, pairsOf, repeatsOf, rowsOf } from "./cells.ts";
import { type Interval, mean, pairedRatio, studentQuantile } from "./interval.ts";

/** How one figure moved from run A to run B. */
export interface Change extends FigurePlace {
  readonly label: string;
  readonly a: number;
  readonly b: number;
  /** b / a; an interval only when both runs repeated the cell. */
  readonly ratio: Interval;
  /** Whether the change is told apart from noise; undefined without repeats. */
  readonly real: boolean | undefined;
  readonly better: "higher" | "lower";
}

/** b over a for a figure of two rows of one run, paired by repeat; undefined when they share none. */
export function rowRatio(run: Run, a: string, b: string, place: FigurePlace): Interval | undefined {
  const pairs = pairsOf(run, a, b, place);
  const usable = pairs.a.every((value) => value > 0) && pairs.b.every((value) => value > 0);
  return pairs.a.length === 0 || !usable ? undefined : pairedRatio(pairs.b, pairs.a);
}

/**
 * b/a of positive values that are not paired: geometric means, with Welch's interval of the
 * difference of logarithms (degrees of freedom rounded down, which widens it).
 */
export function unpairedRatio(a: readonly number[], b: readonly number[]): Interval {
  const [logA, logB] = [a.map(Math.log), b.map(Math.log)];
  const difference = mean(logB) - mean(logA);
  const n = Math.min(a.length, b.length);
  if (n < 2) return { value: Math.exp(difference), n, low: undefined, high: undefined };
  const errorA = squaredError(logA);
  const errorB = squaredError(logB);
  const total = errorA + errorB;
  const degrees =
    total === 0 ? n : total ** 2 / (errorA ** 2 / (a.length - 1) + errorB ** 2 / (b.length - 1));
  const half = studentQuantile(Math.max(1, Math.floor(degrees))) * Math.sqrt(total);
  return {
    value: Math.exp(difference),
    n,
    low: Math.exp(difference - half),
    high: Math.exp(difference + half),
  };
}

/** Squared standard error of the mean. */
function squaredError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return squares / (values.length - 1) / values.length;
}

/** Every figure with a direction that both runs measured in the same cell. */
export function compareRuns(a: Run, b: Run): Change[] {
  const changes: Change[] = [];
  for (const label of rowsOf(a)) {
    for (const place of placesOf(a, label)) {
      const better = figureDefinitions[place.figure]?.better;
      const before = [...repeatsOf(a, label, place).values()].filter((value) => value > 0);
      const after = [...repeatsOf(b, label, place).values()].filter((value) => value > 0);
      if (better === undefined || before.length === 0 || after.length === 0) continue;
      const ratio = unpairedRatio(before, after);
      const { low, high } = ratio;
      const real = low === undefined || high === undefined ? undefined : low > 1 || high < 1;
      changes.push({ ...place, label, a: mean(before), b: mean(after), ratio, real, better });
    }
  }
  return changes;
}

function placesOf(run: Run, label: string): FigurePlace[] {
  const places = new Map<string, FigurePlace>();
  for (const { quantlab } of run.results) {
    const { experiment, setting, format } = quantlab.key;
    if (format !== label) continue;
    for (const figure of Object.keys(quantlab.figures)) {
      places.set(`${experiment}/${setting}/${figure}`, { experiment, setting, figure });
    }
  }
  return [...places.values()];
}

/** A limit on change: "tpot>+5%" fails when TPOT rose by more than 5 %. */
export interface Threshold {
  readonly text: string;
  readonly figures: readonly string[];
  readonly direction: "above" | "below";
  /** b / a at the limit. */
  readonly ratio: number;
}

/** Short names that users of other tools know; a figure's own name works too. */
const shortNames: Readonly<Record<string, readonly string[]>> = {
  ttft: ["ttftMsMedian"],
  tpot: ["tpotMsMedian", "msPerTokenMedian"],
  itl: ["itlMsMedian"],
  e2el: ["e2elMsMedian"],
  throughput: ["outputTokensPerSecond"],
  goodput: ["goodputRequestsPerSecond"],
  memory: ["weightBytes", "peakResidentBytes"],
  accuracy: ["accuracy"],
};

/** @throws usage on text that is no threshold */
export function parseThreshold(text: string): Threshold {
  const match = /^\s*([A-Za-z0-9]+)\s*([<>])\s*([+-]?[0-9.]+)\s*%\s*$/.exec(text);
  const [, name = "", sign, percent] = match ?? [];
  const figures = shortNames[name] ?? (figureDefinitions[name] === undefined ? undefined : [name]);
  if (figures === undefined || !Number.isFinite(Number(percent))) {
    throw new QuantlabError("usage", `"${text}" is not a threshold`, {
      hint: `write for example 'tpot>+5%' or 'throughput<-5%', with one of ${Object.keys(shortNames).join(", ")} or a figure's name`,
    });
  }
  const direction = sign === ">" ? "above" : "below";
  return { text: text.trim(), figures, direction, ratio: 1 + Number(percent) / 100 };
}

/** How a change stands against a limit; undecided when the interval holds the limit or is missing. */
export function judge(change: Change, threshold: Threshold): "fails" | "holds" | "undecided" {
  const { value, low, high } = change.ratio;
  const beyond = (ratio: number) =>
    threshold.direction === "above" ? ratio > threshold.ratio : ratio < threshold.ratio;
  if (!beyond(value)) return "holds";
  if (low === undefined || high === undefined) return "undecided";
  return beyond(low) && beyond(high) ? "fails" : "undecided";
}
