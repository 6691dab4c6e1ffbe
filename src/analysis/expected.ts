/** What was expected before the published run, held against what a run measured. */
import type { Run } from "../results/run.ts";
import {
  evidenceOf,
  type FigurePlace,
  figureOf,
  formatOf,
  rowsOf,
  settingNumber,
  settingsOf,
} from "./cells.ts";
import { rowRatio } from "./compare.ts";
import type { Finding, Table } from "./finding.ts";
import type { Interval } from "./interval.ts";
import { accuracyComparisons } from "./row-accuracy.ts";
import { rowAnswers } from "./row-answers.ts";
import { asRatio, asText } from "./wording.ts";

/** An expected range of a ratio to the first row, or of a value. */
interface Expectation {
  readonly id: string;
  readonly text: string;
  readonly low: number;
  readonly high: number;
  /** Only on this device; undefined where a ratio can be held against any. */
  readonly device?: string;
  readonly measure: (run: Run) => Measured | undefined;
}

interface Measured {
  readonly value: Interval;
  readonly text: string;
  readonly unit: string;
  readonly evidence: readonly string[];
}

const batch1: FigurePlace = {
  experiment: "latency",
  setting: "batch-1",
  figure: "outputTokensPerSecond",
};

/** Rows of a format; variants of a kernel each count. */
function rowOf(run: Run, format: string): string | undefined {
  return rowsOf(run).find((label) => formatOf(run, label) === format);
}

function ratioAt(format: string, place: (run: Run) => FigurePlace | undefined) {
  return (run: Run): Measured | undefined => {
    const where = place(run);
    const [reference, row] = [rowOf(run, "bf16"), rowOf(run, format)];
    if (!where || reference === undefined || row === undefined) return undefined;
    const value = rowRatio(run, reference, row, where);
    if (value === undefined) return undefined;
    const evidence = [reference, row].flatMap((label) => evidenceOf(run, label, where));
    return { value, text: asRatio(value), unit: "x", evidence };
  };
}

/** The largest batch of at least 64 that was measured. */
function largestBatch(run: Run): FigurePlace | undefined {
  const setting = settingsOf(run, "throughput")
    .filter((name) => name.startsWith("batch-") && settingNumber(name) >= 64)
    .at(-1);
  return setting === undefined
    ? undefined
    : { experiment: "throughput", setting, figure: "outputTokensPerSecond" };
}

/** Slowest over fastest row at the largest batch. */
function spreadAtLargest(run: Run): Measured | undefined {
  const place = largestBatch(run);
  if (place === undefined) return undefined;
  const found = rowsOf(run).flatMap((label) => figureOf(run, label, place)?.value ?? []);
  if (found.length < 2) return undefined;
  const value = Math.min(...found) / Math.max(...found);
  return {
    value: { value, n: found.length, low: undefined, high: undefined },
    text: `slowest is ${asText(value)} of the fastest`,
    unit: "x",
    evidence: rowsOf(run).flatMap((label) => evidenceOf(run, label, place)),
  };
}

function bf16AtBatch1(run: Run): Measured | undefined {
  const row = rowOf(run, "bf16");
  const value = row === undefined ? undefined : figureOf(run, row, batch1);
  if (row === undefined || value === undefined) return undefined;
  const text = `${asText(value.value)} tok/s`;
  return { value, text, unit: "tok/s", evidence: evidenceOf(run, row, batch1) };
}

/** Statements of the published lab, in its order; ranges as printed there. */
const expectations: readonly Expectation[] = [
  {
    id: "bf16-rate",
    text: "BF16 gives 50 to 80 tok/s at batch 1 (8B on an H100)",
    low: 50,
    high: 80,
    device: "h100-sxm",
    measure: bf16AtBatch1,
  },
  {
    id: "fp8-gain",
    text: "FP8 is 1.5x to 1.8x BF16 at batch 1",
    low: 1.5,
    high: 1.8,
    measure: ratioAt("fp8", () => batch1),
  },
  {
    id: "awq-gain",
    text: "AWQ is 2.5x to 3.5x BF16 at batch 1",
    low: 2.5,
    high: 3.5,
    measure: ratioAt("awq", () => batch1),
  },
  {
    id: "awq-gain-other",
    text: "AWQ is 1.3x to 1.5x BF16 at batch 1 (another passage)",
    low: 1.3,
    high: 1.5,
    measure: ratioAt("awq", () => batch1),
  },
  {
    id: "awq-large-batch",
    text: "AWQ may be slower than BF16 at batch 64 and above",
    low: 0,
    high: 1,
    measure: ratioAt("awq", largestBatch),
  },
  {
    id: "converge",
    text: "All formats are within 30 % of each other at batch 64",
    low: 0.7,
    high: 1,
    measure: spreadAtLargest,
  },
];

/** Accuracy expectations as ranges of the change in points; open until both rows answered the same. */
const accuracyExpectations = [
  {
    id: "fp8-accuracy",
    format: "fp8",
    text: "FP8 is within 0.5 points of BF16 on GSM8K",
    low: -0.5,
    high: 0.5,
  },
  {
    id: "awq-accuracy",
    format: "awq",
    text: "AWQ loses 1 to 5 points on GSM8K",
    low: -5,
    high: -1,
  },
] as const;

export function expectedFindings(run: Run): Finding[] {
  const device = run.manifest.published?.device;
  const judged = expectations
    .filter((expectation) => expectation.device === undefined || expectation.device === device)
    .flatMap((expectation) => {
      const measured = expectation.measure(run);
      return measured === undefined ? [] : [judge(expectation, measured)];
    });
  return [...judged, ...accuracyJudged(run)];
}

function judge(
  { id, text, low, high }: Pick<Expectation, "id" | "text" | "low" | "high">,
  measured: Measured,
): Finding {
  const { value } = measured;
  const inside = (x: number) => low <= x && x <= high;
  const straddles =
    value.low !== undefined &&
    value.high !== undefined &&
    (inside(value.low) !== inside(value.high) || (value.low < low && value.high > high));
  const verdict = straddles ? "undecided" : inside(value.value) ? "yes" : "no";
  return {
    id: `expected/${id}`,
    claim: `Expected: ${text}. Measured: ${measured.text}.`,
    verdict,
    numbers: {
      measured: {
        ...value,
        unit: measured.unit,
        of: value.n === 1 ? "run" : "repeats",
        ceiling: undefined,
      },
    },
    evidence: measured.evidence,
  };
}

/** The paired difference against the expected range; its interval may hold both sides of an end. */
function accuracyJudged(run: Run): Finding[] {
  const compared = accuracyComparisons(run);
  const cell = run.results.find(({ quantlab }) => quantlab.key.experiment === "accuracy");
  const reason = cell?.quantlab.reason ?? "no accuracy figures that can be paired";
  return accuracyExpectations
    .filter(({ format }) => rowOf(run, format) !== undefined)
    .map((expectation): Finding => {
      const row = rowOf(run, expectation.format);
      const found = compared.find(({ label }) => label === row);
      if (found === undefined) {
        return {
          id: `expected/${expectation.id}`,
          claim: `Expected: ${expectation.text}. Not measured: ${reason.replace(/^not measured: /, "")}.`,
          verdict: "undecided",
          numbers: {},
          evidence: [],
        };
      }
      const { value, n, low, high } = found.difference;
      const points = (x: number | undefined) => (x === undefined ? undefined : 100 * x);
      const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
      // What was meant is GSM8K on a model of billions of parameters.
      const isOther = rowAnswers(run).some(({ model }) => model === "bundled");
      const finding = judge(expectation, {
        value: { value: 100 * value, n, low: points(low), high: points(high) },
        text: `${asText(100 * value)} points (${asText(points(low) ?? 0)} to ${asText(points(high) ?? 0)})${isOther ? " on the bundled model, which is not what was meant" : ""}`,
        unit: "points",
        evidence: [found.reference, found.label].flatMap((label) => evidenceOf(run, label, place)),
      });
      return isOther ? { ...finding, verdict: "undecided" } : finding;
    });
}

/** Expectation, measurement and verdict side by side. */
export function expectedTable(findings: readonly Finding[]): Table {
  const words = { yes: "as expected", no: "not so", undecided: "undecided", info: "" };
  return {
    title: "Expected against measured",
    columns: [
      { id: "expected", title: "Expected", unit: "" },
      { id: "measured", title: "Measured", unit: "" },
      { id: "verdict", title: "Verdict", unit: "" },
    ],
    rows: findings.map((finding) => {
      const [expected = "", measured = ""] = finding.claim
        .replace(/^Expected: /, "")
        .split(/\. (?=Measured|Not measured)/);
      return {
        expected,
        measured: {
          text: measured.replace(/^Measured: /, "").replace(/\.$/, ""),
          evidence: finding.evidence,
        },
        verdict: words[finding.verdict],
      };
    }),
  };
}
