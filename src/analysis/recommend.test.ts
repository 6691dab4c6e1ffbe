import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SyntheticRow, syntheticRows, syntheticRun } from "../../test/synthetic-run.ts";
import type { CellResult, Run } from "../results/run.ts";
import type { Requirements } from "./eligibility.ts";
import { wordsOf } from "./finding.ts";
import { recommend } from "./recommend.ts";
import { accuracyComparisons } from "./row-accuracy.ts";

const noisy = (repeat: number) => 1 + 0.01 * Math.sin(17 * repeat + 1);
const repeated = syntheticRun({ repeats: 4, noise: noisy });

/** The run with accuracy cells that hold these scores, a string of 0 and 1 for each row. */
function withScores(run: Run, scores: Readonly<Record<string, string>>): Run {
  const cells = Object.entries(scores).map(
    ([format, text]): CellResult => ({
      quantlab: {
        key: { format, experiment: "accuracy", setting: "gsm8k", repeat: 0 },
        status: "done",
        startedAt: "2026-01-01T00:00:00Z",
        durationMs: 1,
        validity: { valid: true, reasons: [] },
        figures: {
          accuracy: [...text].filter((c) => c === "1").length / text.length,
          questions: text.length,
        },
        accuracy: { taskHash: "t", filter: "flexible", scores: { flexible: text } },
      },
    }),
  );
  const others = run.results.filter(({ quantlab }) => quantlab.key.experiment !== "accuracy");
  return { ...run, results: [...others, ...cells] };
}

const right = (share: number, n = 1000) => "1".repeat(share * n).padEnd(n, "0");

describe("one recommendation", () => {
  it("has a margin with an interval over repeats, a runner-up and conditions", () => {
    const { label, runnerUp, margin, verdict, flips } = recommend(repeated, []);
    expect([label, runnerUp, verdict]).toEqual(["fp8", "awq", "yes"]);
    expect(margin?.low).toBeGreaterThan(1);
    expect(wordsOf(flips)).toMatch(/Memory: with room for less than 0\.163 GB.*awq/);
    expect(wordsOf(flips)).toMatch(/Device: by the roofline/);
  });

  it("leaves out a row that only answers questions", () => {
    const key = { format: "int4-rtn", experiment: "accuracy", setting: "gsm8k", repeat: 0 };
    const { manifest } = repeated;
    const run = { ...repeated, manifest: { ...manifest, cells: [...manifest.cells, key] } };
    const { label, runnerUp, verdict } = recommend(run, []);
    expect([label, runnerUp, verdict]).toEqual(["fp8", "awq", "yes"]);
  });

  it("follows the traffic mix", () => {
    const of = (traffic: Requirements["traffic"]) => recommend(repeated, [], { traffic }).label;
    expect(of({ single: 1 })).toBe("awq");
    expect(of({ batch: 1 })).toBe("fp8");
    expect(of({ single: 100, batch: 1 })).toBe("awq");
  });

  it("says how many repeats would decide it", () => {
    const close = ["a", "b"].map((label, index) => ({
      ...(syntheticRows[0] as SyntheticRow),
      label,
      stepMs: (b: number) => (10 + 0.2 * b) * (1 + 0.01 * index),
    }));
    const run = syntheticRun({ rows: close, repeats: 2 });
    // In its second repeat b is faster, against a's lead in the first.
    const faster = (name: string, value: number) => (/[mM]s/.test(name) ? value * 0.985 : value);
    const results = run.results.map(({ quantlab }) => ({
      quantlab:
        quantlab.key.format === "b" && quantlab.key.repeat === 1
          ? {
              ...quantlab,
              figures: Object.fromEntries(
                Object.entries(quantlab.figures).map(([k, v]) => [k, faster(k, v)]),
              ),
            }
          : quantlab,
    }));
    const { verdict, answer, next } = recommend({ ...run, results }, []);
    expect(verdict).toBe("undecided");
    expect(answer).toMatch(/^Undecided: a leads/);
    expect(next).toMatch(/(more repeats? would decide it|tell them apart)/);
  });
});

describe("a disturbed machine", () => {
  it("decides nothing: a step with more sequences that took less time", () => {
    const disturbed = syntheticRows.map((row) =>
      row.label === "bf16"
        ? { ...row, stepMs: (batch: number) => (batch === 4 ? 90 : row.stepMs(batch) / 3) }
        : row,
    );
    const { verdict, answer, next, caveats } = recommend(syntheticRun({ rows: disturbed }), []);
    expect(verdict).toBe("undecided");
    expect(answer).toMatch(/^Undecided: bf16 leads.*disturbed/);
    expect(next).toMatch(/--repeats 3/);
    expect(wordsOf(caveats)).toMatch(/90\.0 ms a step at batch 4, but only/);
    const calm = recommend(syntheticRun(), []);
    expect(wordsOf(calm.caveats)).not.toMatch(/more work/);
  });
});

describe("requirements", () => {
  it("rule out rows that break the memory budget, the SLO or the accuracy floor", () => {
    const memory = recommend(repeated, [], { budget: { memoryGb: 0.12 } });
    expect([memory.label, memory.verdict]).toEqual(["awq", "yes"]);
    expect(wordsOf(memory.caveats)).toMatch(/fp8 is out: its weights take 0\.163 GB/);
    const slo = recommend(repeated, [], { slo: { ttft: 165 } });
    expect(slo.label).toBe("awq");
    expect(wordsOf(slo.caveats)).toMatch(/bf16 is out: TTFT is 306 ms at 1 req\/s/);
    const scored = withScores(repeated, { bf16: right(0.8), fp8: right(0.7), awq: right(0.79) });
    const floor = recommend(scored, [], { budget: { accuracyDrop: 0.05 } });
    expect(floor.label).toBe("awq");
    expect(wordsOf(floor.caveats)).toMatch(/fp8 is out: it loses 10\.0 points/);
  });

  it("leave nothing where nothing meets them", () => {
    const { label, answer } = recommend(repeated, [], { budget: { memoryGb: 0.01 } });
    expect(label).toBeUndefined();
    expect(answer).toMatch(/^No format meets the requirements: bf16 is out/);
  });

  it("leave the answer open where a loss could have hidden, with the questions needed", () => {
    const scored = withScores(repeated, {
      bf16: right(0.8, 50),
      fp8: right(0.8, 50),
      awq: right(0.8, 50),
    });
    const { verdict, answer } = recommend(scored, [], { budget: { accuracyDrop: 0.01 } });
    expect(verdict).toBe("undecided");
    expect(answer).toMatch(
      /its accuracy is open.*could have hidden in 50 questions.*more questions/,
    );
    expect(recommend(repeated, [], { budget: { accuracyDrop: 0.01 } }).answer).toMatch(
      /was not measured/,
    );
  });

  it("are never broken by what is recommended, whatever was measured", () => {
    const row = fc.record({
      step: fc.double({ min: 1, max: 50, noNaN: true }),
      right: fc.integer({ min: 0, max: 40 }),
    });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 3, maxLength: 3 }),
        fc.double({ min: 0.05, max: 0.3, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (drawn, memoryGb, accuracyDrop) => {
          const rows = syntheticRows.map((entry, i) => ({
            ...entry,
            stepMs: () => drawn[i]?.step ?? 1,
          }));
          const scores = Object.fromEntries(
            rows.map(({ label }, i) => [label, right((drawn[i]?.right ?? 0) / 40, 40)]),
          );
          const run = withScores(syntheticRun({ rows }), scores);
          const { label } = recommend(run, [], { budget: { memoryGb, accuracyDrop } });
          if (label === undefined) return;
          const bytes = run.manifest.traffic?.[label]?.weights.totalBytes ?? 0;
          expect(bytes).toBeLessThanOrEqual(memoryGb * 1e9);
          const paired = accuracyComparisons(run).find((entry) => entry.label === label);
          expect(-(paired?.difference.value ?? 0)).toBeLessThanOrEqual(accuracyDrop + 1e-12);
        },
      ),
      { numRuns: 60 },
    );
  });
});
