/** A row's answers held against the reference row's on the same questions: the difference, the test, and what could have hidden. */
import { significant } from "../base/units.ts";
import { detectableDifference, questionsNeeded } from "./detectable.ts";
import type { Interval } from "./interval.ts";
import {
  holmAdjusted,
  type McNemar,
  mcnemarTest,
  type PairedCounts,
  type PairedDifference,
  pairedCounts,
  pairedDifference,
  wilsonInterval,
} from "./paired.ts";

/** One row's scores, 0 or 1 by question; all rows answer the same questions in the same order. */
export interface ScoredRow {
  readonly label: string;
  readonly scores: readonly number[];
}

export interface AccuracyComparison {
  readonly label: string;
  readonly reference: string;
  /** b: only this row right; c: only the reference right. */
  readonly counts: PairedCounts;
  /** This row minus the reference. */
  readonly difference: PairedDifference;
  readonly test: McNemar;
  /** Adjusted for the number of rows compared (Holm). */
  readonly adjustedP: number;
  readonly comparisons: number;
  /** The largest loss that 95 % certainty does not exclude, as a share. */
  readonly hiddenLoss: number;
  /** Smallest true difference that these questions find with 80 % power; undefined: none. */
  readonly detectable: number | undefined;
  /** Questions needed to see 1, 2 and 5 points at the disagreement assumed. */
  readonly questions: readonly { readonly points: number; readonly n: number }[];
  /** Share of disagreements that the two figures above assume. */
  readonly assumedDisagreement: number;
  readonly differs: boolean;
}

const pointsToSee = [1, 2, 5] as const;

/** Exact match of a row with its Wilson interval. */
export function accuracyOf({ scores }: ScoredRow): Interval {
  return wilsonInterval(
    scores.reduce((sum, score) => sum + score, 0),
    scores.length,
  );
}

/** Every row but the reference, in the order given. */
export function compareAccuracy(
  reference: ScoredRow,
  rows: readonly ScoredRow[],
): AccuracyComparison[] {
  const tested = rows.map((row) => {
    const counts = pairedCounts(row.scores, reference.scores);
    return { label: row.label, counts, test: mcnemarTest(counts) };
  });
  const adjusted = holmAdjusted(tested.map(({ test }) => test.p));
  return tested.map(({ label, counts, test }, index) => {
    const difference = pairedDifference(counts);
    const adjustedP = adjusted[index] ?? 1;
    const assumed = assumedDisagreement(counts);
    return {
      label,
      reference: reference.label,
      counts,
      difference,
      test,
      adjustedP,
      comparisons: rows.length,
      hiddenLoss: hiddenLossOf(counts, difference),
      detectable: detectableDifference(counts.n, assumed),
      questions: pointsToSee.map((points) => ({
        points,
        n: questionsNeeded(points / 100, assumed),
      })),
      assumedDisagreement: assumed,
      differs: adjustedP <= 0.05,
    };
  });
}

/**
 * The bootstrap has no width where nobody disagrees; the share of disagreements, which bounds any
 * loss, is then at most 1 - 0.025^(1/n) with 97.5 % certainty (Clopper and Pearson 1934).
 */
function hiddenLossOf({ n }: PairedCounts, { low }: PairedDifference): number {
  return Math.max(-(low ?? 0), 1 - 0.025 ** (1 / n));
}

/** Observed, but at least one question: none seen does not mean that there are none. */
function assumedDisagreement({ n, b, c }: PairedCounts): number {
  return Math.max(1, b + c) / n;
}

const points = (share: number) => {
  const text = significant(Math.abs(100 * share), 2);
  return share < 0 ? `-${text}` : text;
};
const signed = (share: number) => (share > 0 ? `+${points(share)}` : points(share));
const probability = (p: number) => (p < 0.001 ? "below 0.001" : significant(p, 2));

/** The verdict as sentences: what was seen, and how large a loss could have hidden. */
export function describeComparison(comparison: AccuracyComparison): string {
  const { label, reference, counts, difference, test, adjustedP, comparisons } = comparison;
  const { n, b, c } = counts;
  const holm =
    comparisons > 1 ? `, ${probability(adjustedP)} after Holm for ${comparisons} rows` : "";
  const seen =
    `${label} against ${reference} on the same ${n} questions: ${signed(difference.value)} points ` +
    `(95 % interval ${signed(difference.low ?? 0)} to ${signed(difference.high ?? 0)}); ` +
    `${c} right only in ${reference}, ${b} only in ${label}; exact McNemar p ${probability(test.p)}${holm}.`;
  return `${seen} ${comparison.differs ? describeFound(comparison) : describeNotFound(comparison)}`;
}

function describeFound({ difference, label }: AccuracyComparison): string {
  return `The difference is real: ${label} is ${difference.value < 0 ? "less" : "more"} accurate here.`;
}

function describeNotFound(comparison: AccuracyComparison): string {
  const { hiddenLoss, detectable, counts, questions, assumedDisagreement: q } = comparison;
  const power =
    detectable === undefined
      ? `With ${points(q)} % of the answers changed, ${counts.n} questions cannot show any difference with 80 % power`
      : `${counts.n} questions show ${points(detectable)} points or more with 80 % power`;
  const needed = questions.map(({ points: p, n }) => `${n} for ${p}`).join(", ");
  return `No difference was seen, and a loss of up to ${points(hiddenLoss)} points could have hidden. ${power}; needed: ${needed} points.`;
}
