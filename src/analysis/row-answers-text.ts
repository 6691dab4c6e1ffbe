/** Answers as the table, the findings and the caveat show them: divergence leads where accuracy cannot decide. */
import type { Run } from "../results/run.ts";
import { type AccuracyComparison, accuracyOf } from "./accuracy-comparison.ts";
import {
  rowAnswers,
  calibrationPairs,
  divergencesOf,
  type RowDivergence,
  referenceAnswers,
} from "./row-answers.ts";
import { rowsOf } from "./cells.ts";
import { divergenceRatio } from "./divergence.ts";
import type { Finding, Quantity, Statement, Table } from "./finding.ts";
import { accuracyComparisons, accuracyFindings } from "./row-accuracy.ts";
import { asPercent, asText } from "./wording.ts";

interface Shown {
  readonly value: number;
  readonly n: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

function shown(
  { value, n, low, high }: Shown,
  unit: string,
  of: string,
  evidence: readonly string[],
  per = 1,
): Quantity {
  const scaled = (x: number | undefined) => (x === undefined ? undefined : x * per);
  return {
    value: value * per,
    unit,
    n,
    of,
    low: scaled(low),
    high: scaled(high),
    ceiling: undefined,
    evidence,
  };
}

const points = (share: number) => asText(100 * share);

/** "no difference seen, up to 1.2 points may hide", "less accurate, p 0.003": never that nothing is lost. */
export function verdictText(comparison: AccuracyComparison): string {
  const { difference, adjustedP, hiddenLoss, differs } = comparison;
  if (!differs) return `none seen; up to ${points(hiddenLoss)} may hide`;
  return `${difference.value < 0 ? "less" : "more"} accurate (p ${adjustedP < 0.001 ? "below 0.001" : asText(adjustedP)})`;
}

const columns = [
  { id: "row", title: "row", unit: "" },
  { id: "accuracy", title: "exact match", unit: "%" },
  { id: "difference", title: "difference", unit: "points" },
  { id: "verdict", title: "loss", unit: "points" },
  { id: "klMean", title: "KL mean", unit: "millinats" },
  { id: "klP99", title: "KL p99", unit: "millinats" },
  { id: "top", title: "same top token", unit: "%" },
  { id: "perplexity", title: "perplexity ratio", unit: "" },
  { id: "probability", title: "p(right token)", unit: "points" },
];

/** Accuracy and divergence by row; undefined where the run has neither. */
export function answersTable(run: Run): Table | undefined {
  const answers = rowAnswers(run);
  const divergences = divergencesOf(run);
  if (answers.length === 0 && divergences.length === 0) return undefined;
  const comparisons = accuracyComparisons(run);
  const [reference] = rowsOf(run);
  const labels = rowsOf(run).filter((label) =>
    [...answers, ...divergences].some((row) => row.label === label),
  );
  return {
    title: `Accuracy, and divergence from ${reference ?? "the first row"}${conditionsOf(run)}`,
    columns,
    rows: labels.map((label) => {
      const scored = answers.find((row) => row.label === label);
      const comparison = comparisons.find((each) => each.label === label);
      const divergence = divergences.find((each) => each.label === label);
      return {
        row: label,
        accuracy: scored && shown(accuracyOf(scored), "%", "questions", scored.evidence, 100),
        difference: comparison
          ? shown(comparison.difference, "points", "questions", scored?.evidence ?? [], 100)
          : scored && "reference",
        verdict: comparison
          ? { text: verdictText(comparison), evidence: scored?.evidence ?? [] }
          : scored && "reference",
        ...divergenceValues(divergence),
      };
    }),
  };
}

/** What was asked of which model. */
function conditionsOf(run: Run): string {
  const row = referenceAnswers(run) ?? rowAnswers(run)[0];
  if (row === undefined) return "";
  const { model, scores, numFewshot, filter } = row;
  return ` (${model}; ${scores.length} questions, ${numFewshot} shots, ${filter})`;
}

function divergenceValues(row: RowDivergence | undefined): Record<string, Quantity | undefined> {
  if (row === undefined) return {};
  const { figures, evidence } = row;
  const of = (interval: Shown, unit: string, per: number) =>
    shown(interval, unit, "tokens", evidence, per);
  return {
    klMean: of(figures.klMean, "millinats", 1e3),
    klP99: of(figures.klP99, "millinats", 1e3),
    top: of(figures.topAgreement, "%", 100),
    perplexity: of(figures.perplexityRatio, "", 1),
    probability: of(figures.probabilityChange, "points", 100),
  };
}

/** Divergence first when no accuracy comparison could decide, else accuracy first. */
export function answerFindings(run: Run): Finding[] {
  const comparisons = accuracyComparisons(run);
  const accuracy = accuracyFindings(run);
  const divergence = divergencesOf(run)
    .filter(({ label }) => label !== rowsOf(run)[0])
    .map((row) => divergenceFinding(row, rowsOf(run)[0] ?? "the first row"));
  divergence.push(...calibrationPairs(run).map(calibrationFinding));
  const decided = comparisons.some(({ differs }) => differs);
  return decided ? [...accuracy, ...divergence] : [...divergence, ...accuracy];
}

function between({ low, high }: Shown, per: number): string {
  if (low === undefined || high === undefined) return "";
  return ` (${asText(low * per)} to ${asText(high * per)})`;
}

function divergenceFinding(
  { label, figures, evidence }: RowDivergence,
  reference: string,
): Finding {
  const { klMean, klP99, klMax, topAgreement, perplexityRatio, tokens, windows } = figures;
  const ratio = perplexityRatio;
  const isClear = (ratio.low ?? 0) > 1 || (ratio.high ?? Number.POSITIVE_INFINITY) < 1;
  return {
    id: `divergence/${reference}/${label}`,
    claim:
      `${label} diverges from ${reference} by ${asText(1e3 * klMean.value)} millinats a token on average${between(klMean, 1e3)}, ` +
      `${asText(1e3 * klP99.value)} at p99, ${asText(1e3 * klMax)} at most, over ${tokens} tokens in ${windows} windows; ` +
      `the most likely token is the same at ${asPercent(topAgreement.value)} of them, ` +
      `and perplexity is ${asText(ratio.value)}x${between(ratio, 1)}${isClear ? "" : ", which includes no change"}.`,
    verdict: "info",
    numbers: {
      klMean: shown(klMean, "millinats", "tokens", evidence, 1e3),
      topAgreement: shown(topAgreement, "%", "tokens", evidence, 100),
      perplexityRatio: shown(ratio, "", "tokens", evidence),
    },
    evidence,
  };
}

/** What calibration buys over rounding to nearest, in pairs of windows of the same text. */
function calibrationFinding({
  calibrated,
  rounded,
}: ReturnType<typeof calibrationPairs>[number]): Finding {
  const ratio = divergenceRatio(calibrated.figures.klByWindow, rounded.figures.klByWindow);
  const { low = 0, high = Number.POSITIVE_INFINITY } = ratio;
  const decides = low > 1 || high < 1;
  const verdict = decides
    ? `so calibration ${high < 1 ? "helps" : "harms"} here`
    : "so these windows do not tell them apart";
  return {
    id: `calibration/${calibrated.label}/${rounded.label}`,
    claim: `${calibrated.label} diverges ${asText(ratio.value)}x as much as ${rounded.label}${between(ratio, 1)} over ${ratio.n} windows of the same text, ${verdict}.`,
    verdict: decides ? (high < 1 ? "yes" : "no") : "undecided",
    numbers: {
      ratio: shown(ratio, "x", "windows", [...calibrated.evidence, ...rounded.evidence]),
    },
    evidence: [...calibrated.evidence, ...rounded.evidence],
  };
}

/** For the answer's caveats: what these questions could not have seen; undefined without a comparison. */
export function hiddenLossCaveat(run: Run): Statement | undefined {
  const undecided = accuracyComparisons(run).filter(({ differs }) => !differs);
  const [first] = undecided;
  if (first === undefined) return undefined;
  const losses = undecided.map(({ label, hiddenLoss }) => `${label} up to ${points(hiddenLoss)}`);
  const model = referenceAnswers(run)?.model;
  const where =
    model === run.manifest.config.model ? "" : ` to the ${model} model, which is not this one,`;
  return {
    text: `In ${first.counts.n} questions${where} no loss of accuracy was seen, but one could have hidden: ${losses.join(", ")} points.`,
    evidence: rowAnswers(run).flatMap(({ evidence }) => evidence),
  };
}
