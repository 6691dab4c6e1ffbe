/** Accuracy of a row with its interval, and rows paired on the same questions where the cells kept the scores. */
import { z } from "zod";
import type { Run } from "../results/run.ts";
import {
  type AccuracyComparison,
  compareAccuracy,
  describeComparison,
} from "./accuracy-comparison.ts";
import { evidenceOf, figureOf, repeatsOf, rowsOf } from "./cells.ts";
import type { Finding } from "./finding.ts";
import type { Interval } from "./interval.ts";
import { wilsonInterval } from "./paired.ts";

const place = (figure: string) => ({ experiment: "accuracy", setting: "gsm8k", figure });

/** Exact match as a share; undefined where the row has no finished accuracy cell. */
export function accuracyFigure(run: Run, label: string): Interval | undefined {
  const found = figureOf(run, label, place("accuracy"));
  const questions = [...repeatsOf(run, label, place("questions")).values()][0];
  if (found === undefined || questions === undefined) return found;
  return wilsonInterval(Math.round(found.value * questions), questions);
}

/** One character a question, as the accuracy experiment stores them. */
const storedSchema = z.looseObject({
  accuracy: z.looseObject({
    taskHash: z.string(),
    filter: z.string(),
    scores: z.record(z.string(), z.string()),
  }),
});

interface StoredScores {
  readonly taskHash: string;
  readonly scores: readonly number[];
}

function scoresOf(run: Run, label: string): StoredScores | undefined {
  const cell = run.results.find(
    ({ quantlab: { key, status } }) =>
      key.format === label && key.experiment === "accuracy" && status === "done",
  );
  const stored = storedSchema.safeParse(cell?.quantlab).data?.accuracy;
  const text = stored?.scores[stored.filter];
  if (stored === undefined || text === undefined) return undefined;
  return { taskHash: stored.taskHash, scores: [...text].map((c) => (c === "1" ? 1 : 0)) };
}

/** Every row against the first, on the same questions; none where the questions differ. */
export function accuracyComparisons(run: Run): AccuracyComparison[] {
  const [reference, ...others] = rowsOf(run);
  const base = reference === undefined ? undefined : scoresOf(run, reference);
  if (reference === undefined || base === undefined) return [];
  const rows = others.flatMap((label) => {
    const own = scoresOf(run, label);
    const same = own?.taskHash === base.taskHash && own.scores.length === base.scores.length;
    return own === undefined || !same ? [] : [{ label, scores: own.scores }];
  });
  return rows.length === 0 ? [] : compareAccuracy({ label: reference, scores: base.scores }, rows);
}

/** One finding a comparison: what was seen, whether it is real, and what could have hidden. */
export function accuracyFindings(run: Run): Finding[] {
  return accuracyComparisons(run).map((comparison) => {
    const { label, reference, difference, counts, differs } = comparison;
    return {
      id: `accuracy/${label}/${reference}`,
      claim: describeComparison(comparison),
      verdict: differs ? ("yes" as const) : ("undecided" as const),
      numbers: {
        difference: {
          value: 100 * difference.value,
          unit: "points",
          n: counts.n,
          of: "questions",
          low: difference.low === undefined ? undefined : 100 * difference.low,
          high: difference.high === undefined ? undefined : 100 * difference.high,
          ceiling: undefined,
        },
      },
      evidence: [reference, label].flatMap((row) => evidenceOf(run, row, place("accuracy"))),
    };
  });
}
