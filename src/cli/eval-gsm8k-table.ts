/** What `eval gsm8k` prints: a table of rows with intervals, and the paired verdicts. */
import {
  type AccuracyComparison,
  accuracyOf,
  compareAccuracy,
  describeComparison,
  type ScoredRow,
} from "../analysis/accuracy-comparison.ts";
import { significant } from "../base/units.ts";
import { type FilterName, filterNames } from "../eval/gsm8k/extract.ts";
import { meanScore } from "../eval/gsm8k/score.ts";
import type { EvalGsm8kFlags, EvalPlan } from "./eval-gsm8k-plan.ts";
import type { RowResult } from "./eval-gsm8k-row.ts";
import { renderTable } from "./table.ts";

const scoresOf = (row: RowResult, filter: FilterName) =>
  row.scored.map(({ scores }) => scores[filter]);

function comparisonsOf(rows: readonly RowResult[], filter: FilterName): AccuracyComparison[] {
  const [reference, ...others] = rows.map(
    (row): ScoredRow => ({ label: row.label, scores: scoresOf(row, filter) }),
  );
  return reference === undefined ? [] : compareAccuracy(reference, others);
}

const percent = (share: number | undefined) =>
  share === undefined ? "-" : significant(100 * share, 3);

export function renderEvaluation(
  plan: EvalPlan,
  flags: EvalGsm8kFlags,
  rows: readonly RowResult[],
): string {
  const table = renderTable({
    title: `gsm8k, ${plan.prompts.length} questions, ${plan.options.numFewshot} shots, greedy; exact match in % (95 % Wilson interval)`,
    header: ["row", ...filterNames, "stderr", "cut off", "tokens out", "minutes"],
    rows: rows.map((row) => rowCells(row, flags.filter)),
  });
  const verdicts = comparisonsOf(rows, flags.filter).map((each) => `${describeComparison(each)}\n`);
  const filter = verdicts.length === 0 ? "" : `Compared under ${flags.filter}.\n`;
  const files = rows.flatMap(({ files: written }) => (written === undefined ? [] : [written]));
  const paths = files.flatMap(({ results, samples }) => [results, ...(samples ? [samples] : [])]);
  const untrained = rows.some(({ facts }) => facts.trained === false)
    ? "The weights are not trained: these answers mean nothing.\n"
    : "";
  return `${table}${untrained}task_hashes.gsm8k ${plan.taskHash}\n${filter}${verdicts.join("")}${paths.map((path) => `${path}\n`).join("")}`;
}

function rowCells(row: RowResult, filter: FilterName): string[] {
  const accuracies = filterNames.map((name) => {
    const { value, low, high } = accuracyOf({ label: row.label, scores: scoresOf(row, name) });
    return `${percent(value)} (${percent(low)} to ${percent(high)})`;
  });
  const { standardError } = meanScore(scoresOf(row, filter));
  const tokens = row.scored.map(({ response }) => response.completionTokens);
  const known = tokens.filter((count) => count !== undefined);
  const sum = known.reduce((total, count) => total + count, 0);
  return [
    row.label,
    ...accuracies,
    standardError === undefined ? "N/A" : significant(100 * standardError, 2),
    String(cutOff(row)),
    known.length < tokens.length ? "-" : String(sum),
    significant(row.durationMs / 60_000, 2),
  ];
}

/** Answers that ran into the token limit. */
function cutOff(row: RowResult): number {
  return row.scored.filter(({ response }) => response.finishReason === "length").length;
}

/** Keys of lm_eval's results for each row, and the comparisons. */
export function toEvalJson(
  plan: EvalPlan,
  flags: EvalGsm8kFlags,
  rows: readonly RowResult[],
): Record<string, unknown> {
  return {
    task: "gsm8k",
    taskHash: plan.taskHash,
    numFewshot: plan.options.numFewshot,
    n: plan.prompts.length,
    filter: flags.filter,
    rows: rows.map((row) => ({
      label: row.label,
      modelName: row.modelName,
      accuracy: Object.fromEntries(
        filterNames.map((name) => [
          name,
          {
            ...accuracyOf({ label: row.label, scores: scoresOf(row, name) }),
            standardError: meanScore(scoresOf(row, name)).standardError,
          },
        ]),
      ),
      cutOff: cutOff(row),
      durationMs: row.durationMs,
      files: row.files,
      facts: row.facts,
    })),
    comparisons: comparisonsOf(rows, flags.filter).map((comparison) => ({
      ...comparison,
      text: describeComparison(comparison),
    })),
  };
}
