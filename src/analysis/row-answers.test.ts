import { describe, expect, it } from "vitest";
import { syntheticRun } from "../../test/synthetic-run.ts";
import type { CellResult, Run } from "../results/run.ts";
import { analyzeRun } from "./analyze.ts";
import { answerFindings, answersTable, hiddenLossCaveat } from "./row-answers-text.ts";
import { rowAnswers, divergencesOf } from "./row-answers.ts";
import { expectedFindings } from "./expected.ts";
import { accuracyComparisons } from "./row-accuracy.ts";

const n = 250;

function doneCell(label: string, experiment: string, extra: Record<string, unknown>): CellResult {
  return {
    quantlab: {
      key: {
        format: label,
        experiment,
        setting: experiment === "accuracy" ? "gsm8k" : "text",
        repeat: 0,
      },
      status: "done",
      startedAt: "2026-01-01T00:00:00Z",
      durationMs: 1,
      validity: { valid: true, reasons: [] },
      figures: {},
      ...extra,
    },
  };
}

/** 200 of 250 right, but `lost` of those wrong and `gained` of the others right. */
function accuracyCell(
  label: string,
  lost: number,
  gained: number,
  changes: { model?: string; taskHash?: string } = {},
): CellResult {
  const scores = Array.from({ length: n }, (_, i) =>
    i < 200 ? (i < lost ? 0 : 1) : i < 200 + gained ? 1 : 0,
  );
  const right = scores.filter((score) => score === 1).length;
  return doneCell(label, "accuracy", {
    figures: { accuracy: right / n, questions: n },
    accuracy: {
      task: "gsm8k",
      model: "org/model",
      taskHash: "abc",
      numFewshot: 8,
      filter: "flexible-extract",
      scores: { "flexible-extract": scores.join("") },
      ...changes,
    },
  });
}

function divergenceCell(label: string, kl: number, isReadyCheckpoint = false): CellResult {
  const interval = (value: number, half: number) => ({
    value,
    n: 4096,
    low: value - half,
    high: value + half,
  });
  return doneCell(label, "divergence", {
    served: { format: label === "int4-rtn" ? "awq" : label, isReadyCheckpoint },
    divergence: {
      tokens: 4096,
      windows: 32,
      perplexity: interval(3, 0.1),
      perplexityRatio: interval(1 + kl, 0.01),
      klMean: interval(kl, kl / 10),
      klByWindow: Array.from({ length: 32 }, (_, i) => kl * (1 + Math.sin(i))),
      klMedian: interval(kl / 2, kl / 20),
      klP99: interval(kl * 9, kl),
      klMax: kl * 40,
      topAgreement: interval(1 - kl, 0.01),
      probabilityChange: interval(-kl / 10, 0.001),
    },
  });
}

function runWith(...cells: CellResult[]): Run {
  const run = syntheticRun();
  const results = [
    ...run.results.filter(({ quantlab }) => quantlab.key.experiment !== "accuracy"),
    ...cells,
  ];
  const keys = results.map(({ quantlab }) => quantlab.key);
  return { ...run, manifest: { ...run.manifest, cells: keys }, results };
}

const cells = [
  accuracyCell("bf16", 0, 0),
  accuracyCell("fp8", 3, 2),
  accuracyCell("awq", 8, 6),
  accuracyCell("int4-rtn", 60, 5),
];
const divergences = [divergenceCell("fp8", 0.004), divergenceCell("int4-rtn", 0.2)];
const run = runWith(...cells, ...divergences);

describe("answers of a run", () => {
  it("compares every row with the first on the same questions", () => {
    expect(accuracyComparisons(run).map(({ label, counts }) => [label, counts])).toEqual([
      ["fp8", { n, b: 2, c: 3 }],
      ["awq", { n, b: 6, c: 8 }],
      ["int4-rtn", { n, b: 5, c: 60 }],
    ]);
  });

  it("does not compare rows that were asked something else", () => {
    const other = runWith(accuracyCell("bf16", 0, 0), accuracyCell("fp8", 3, 2, { taskHash: "x" }));
    expect(rowAnswers(other)).toHaveLength(2);
    expect(accuracyComparisons(other)).toEqual([]);
  });

  it("ignores cells whose details it does not understand", () => {
    const odd = runWith(doneCell("bf16", "accuracy", { accuracy: { scores: {} } }));
    expect(rowAnswers(odd)).toEqual([]);
    expect(divergencesOf(odd)).toEqual([]);
    expect(answersTable(odd)).toBeUndefined();
  });
});

describe("the table of answers", () => {
  it("has a row for each row that answered, with intervals and the paired verdict", () => {
    const table = answersTable(run);
    expect(table?.title).toContain("(org/model; 250 questions, 8 shots, flexible-extract)");
    expect(table?.rows.map((row) => [row.row, row.verdict])).toEqual([
      ["bf16", "reference"],
      ["fp8", expect.objectContaining({ text: "none seen; up to 2.00 may hide" })],
      ["awq", expect.objectContaining({ text: "none seen; up to 3.60 may hide" })],
      ["int4-rtn", expect.objectContaining({ text: "less accurate (p below 0.001)" })],
    ]);
    expect(table?.rows[1]).toMatchObject({
      accuracy: { n, of: "questions", unit: "%" },
      klMean: { value: 4, unit: "millinats", n: 4096 },
      top: { value: 99.6 },
    });
    expect(table?.rows[2]?.klMean).toBeUndefined();
  });

  it("stands after the result table, which has the verdict of the rows that were timed", () => {
    const [results, answers] = analyzeRun(run).tables;
    expect(answers).toEqual(answersTable(run));
    expect(results?.rows.map(({ format }) => format)).toEqual(["bf16", "fp8", "awq"]);
    expect(results?.rows[2]).toMatchObject({
      accuracy: { value: expect.closeTo(79.2), n, of: "questions" },
      loss: { text: "none seen; up to 3.60 may hide", evidence: ["awq/accuracy/gsm8k/0"] },
    });
  });
});

describe("findings about answers", () => {
  it("lead with accuracy where it decides, with divergence where it does not", () => {
    expect(answerFindings(run).map(({ id, verdict }) => `${id} ${verdict}`)).toEqual([
      "accuracy/fp8/bf16 undecided",
      "accuracy/awq/bf16 undecided",
      "accuracy/int4-rtn/bf16 yes",
      "divergence/bf16/fp8 info",
      "divergence/bf16/int4-rtn info",
    ]);
    const undecided = runWith(...cells.slice(0, 2), ...divergences.slice(0, 1));
    expect(answerFindings(undecided)[0]?.id).toBe("divergence/bf16/fp8");
    expect(answerFindings(undecided)[0]?.claim).toBe(
      "fp8 diverges from bf16 by 4.00 millinats a token on average (3.60 to 4.40), 36.0 at p99, " +
        "160 at most, over 4096 tokens in 32 windows; the most likely token is the same at 99.6 % " +
        "of them, and perplexity is 1.00x (0.994 to 1.01), which includes no change.",
    );
  });

  it("say what calibration buys over rounding, from the same windows", () => {
    const both = [divergenceCell("awq", 0.1, true), divergenceCell("int4-rtn", 0.2)];
    const finding = answerFindings(runWith(...cells, ...both)).at(-1);
    expect(finding).toMatchObject({
      id: "calibration/awq/int4-rtn",
      verdict: "yes",
      claim:
        "awq diverges 0.500x as much as int4-rtn (0.500 to 0.500) over 32 windows of the same text, so calibration helps here.",
    });
  });

  it("never say that nothing was lost", () => {
    const texts = JSON.stringify([
      answersTable(run),
      answerFindings(run),
      analyzeRun(run).findings,
    ]);
    expect(texts).not.toMatch(
      /lossless|without loss|identical|no loss(?! of accuracy was seen, but)/i,
    );
    expect(texts).toMatch(/a loss of up to 2\.0 points could have hidden/);
    expect(hiddenLossCaveat(run)?.text).toBe(
      "In 250 questions to the org/model model, which is not this one, no loss of accuracy was seen, but one could have hidden: fp8 up to 2.00, awq up to 3.60 points.",
    );
  });
});

describe("expectations of accuracy", () => {
  const verdicts = (of: Run) =>
    expectedFindings(of)
      .filter(({ id }) => id.endsWith("-accuracy"))
      .map(({ verdict }) => verdict);

  it("are decided only where the whole interval is on one side", () => {
    expect(verdicts(run)).toEqual(["undecided", "undecided"]);
    const worse = runWith(accuracyCell("bf16", 0, 0), accuracyCell("awq", 60, 5));
    expect(verdicts(worse)).toEqual(["undecided", "no"]);
    const same = runWith(accuracyCell("bf16", 0, 0), accuracyCell("fp8", 0, 0));
    expect(verdicts(same)).toEqual(["yes", "undecided"]);
  });

  it("are not decided by the bundled model's questions", () => {
    const changes = { model: "bundled" };
    const bundled = runWith(
      accuracyCell("bf16", 0, 0, changes),
      accuracyCell("fp8", 0, 0, changes),
    );
    expect(verdicts(bundled)[0]).toBe("undecided");
  });
});
