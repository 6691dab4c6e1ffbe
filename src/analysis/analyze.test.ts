import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SyntheticRow, syntheticRows, syntheticRun } from "../../test/synthetic-run.ts";
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import { analyzeRun } from "./analyze.ts";
import { compareRuns, judge, parseThreshold, unpairedRatio } from "./compare.ts";
import { isQuantity, wordsOf } from "./finding.ts";
import { recommend } from "./recommend.ts";

const noisy = (repeat: number) => 1 + 0.01 * Math.sin(17 * repeat + 1);

function claimOf(run: Run, id: string): string {
  const found = analyzeRun(run).findings.find((finding) => finding.id === id);
  if (found === undefined) throw new Error(`no finding ${id}`);
  return `${found.verdict}: ${found.claim}`;
}

describe("the result table", () => {
  const [table] = analyzeRun(syntheticRun()).tables;

  it("has a row for each format and nothing empty", () => {
    expect(table?.rows.map((row) => row.format)).toEqual(["bf16", "fp8", "awq"]);
    for (const row of table?.rows ?? []) {
      for (const { id } of table?.columns ?? []) expect(row[id], id).toBeDefined();
    }
  });

  it("shows weights in GB, bandwidth with its fraction, and the crossover", () => {
    const row = table?.rows[2] ?? {};
    expect(row.weightBytes).toMatchObject({ unit: "GB", value: expect.closeTo(0.1139, 3) });
    const bandwidth = row.bandwidth;
    if (!isQuantity(bandwidth)) throw new Error("no bandwidth");
    expect(bandwidth.ceiling?.value).toBe(34);
    expect(bandwidth.ceiling?.fraction).toBeCloseTo(bandwidth.value / 34, 9);
    expect(row.crossover).toMatchObject({ text: expect.stringMatching(/^2\d(\.\d)?$/) });
    expect(row.accuracy).toBe("not measured");
  });

  it("says failed where a cell failed", () => {
    const run = syntheticRun();
    const results = run.results.map((result) =>
      result.quantlab.key.format === "fp8" && result.quantlab.key.setting === "batch-16"
        ? {
            quantlab: {
              ...result.quantlab,
              status: "failed" as const,
              reason: "the server was killed",
              figures: {},
            },
          }
        : result,
    );
    const analysis = analyzeRun({ ...run, results });
    expect(analysis.tables[0]?.rows[1]?.["batch-16"]).toBe("failed");
    expect(analysis.incidents).toContainEqual({
      path: "fp8/throughput/batch-16/0",
      kind: "failed",
      reason: "the server was killed",
    });
  });

  it("survives a run that was interrupted before its first cell", () => {
    const run = { ...syntheticRun(), results: [] };
    const analysis = analyzeRun(run);
    expect(analysis.recommendation.verdict).toBe("undecided");
    expect(analysis.incidents.every(({ kind }) => kind === "not run")).toBe(true);
  });
});

describe("findings", () => {
  it("name the crossover, with its interval when there are repeats", () => {
    const id = "crossover/output-throughput/awq/bf16";
    expect(claimOf(syntheticRun(), id)).toMatch(
      /^undecided: By output tok.s, awq is faster than bf16 up to batch 2\d/,
    );
    const repeated = claimOf(syntheticRun({ repeats: 4, noise: noisy }), id);
    expect(repeated).toMatch(/^yes: .* 95 % interval/);
    expect(claimOf(syntheticRun(), "crossover/output-throughput/fp8/bf16")).toMatch(
      /No crossover from batch 1 to 64/,
    );
  });

  it("name the bound of each decode cell", () => {
    const bandwidthBound: SyntheticRow = {
      label: "bf16",
      format: "bf16",
      bitsPerWeight: 16,
      stepMs: () => 9,
    };
    const slow = { ...bandwidthBound, label: "slow", stepMs: () => 90 };
    const run = syntheticRun({ rows: [bandwidthBound, slow] });
    expect(claimOf(run, "bound/latency/batch-1/bf16")).toMatch(/bound by memory bandwidth/);
    expect(claimOf(run, "bound/latency/batch-1/slow")).toMatch(/near neither ceiling/);
    expect(claimOf(run, "bound/throughput/batch-64/bf16")).toMatch(/bound by compute/);
  });

  it("hold the published expectations against what was measured", () => {
    const run = syntheticRun();
    expect(claimOf(run, "expected/fp8-gain")).toMatch(/^yes: .*1\.64x/);
    expect(claimOf(run, "expected/awq-gain")).toMatch(/^no: /);
    expect(claimOf(run, "expected/awq-large-batch")).toMatch(/^yes: /);
    expect(claimOf(run, "expected/fp8-accuracy")).toMatch(/^undecided: .*not trained/);
    expect(() => claimOf(run, "expected/bf16-rate")).toThrow();
  });

  it("have evidence that exists in the run", () => {
    const run = syntheticRun({ repeats: 2 });
    const paths = new Set(
      run.results.map(({ quantlab: { key } }) =>
        [key.format, key.experiment, key.setting, key.repeat].join("/"),
      ),
    );
    for (const finding of analyzeRun(run).findings) {
      for (const path of finding.evidence) expect(paths).toContain(path);
    }
  });
});

describe("the published run", () => {
  const reference = referenceRuns[0] as Run;

  it("is told from the format: the forced kernel, the FLOP ratio, accuracy", () => {
    expect(claimOf(reference, "published/forced-kernel/awq-plain")).toMatch(
      /likely cause.*plain kernel/,
    );
    expect(claimOf(reference, "published/flop-ratio")).toMatch(/is wrong.* 2\.00 to 1/);
    expect(claimOf(reference, "expected/awq-accuracy")).toMatch(/Not measured/);
    expect(wordsOf(analyzeRun(reference).recommendation.caveats)).toMatch(/Accuracy is not part/);
  });

  it("is found to have one figure behind TTFT and ITL", () => {
    expect(claimOf(reference, "published/ttft-from-itl")).toMatch(/128, 128, 128 times ITL/);
  });

  it("has no crossover, as no batch size but 1 was measured", () => {
    expect(analyzeRun(reference).crossovers.every(({ measured }) => measured === undefined)).toBe(
      true,
    );
  });

  it("analyzes every device", () => {
    for (const run of referenceRuns) expect(analyzeRun(run).tables.length).toBeGreaterThan(0);
  });
});

describe("the recommendation", () => {
  it("names one row when it is best everywhere, and says so plainly", () => {
    const rows = [
      syntheticRows[0] as SyntheticRow,
      { ...(syntheticRows[1] as SyntheticRow), stepMs: (b: number) => 5 + 0.1 * b },
    ];
    const { label, verdict } = analyzeRun(syntheticRun({ rows })).recommendation;
    expect({ label, verdict }).toEqual({ label: "fp8", verdict: "yes" });
  });

  it("names where others are better when objectives disagree", () => {
    const { label, answer, next, flips } = analyzeRun(syntheticRun()).recommendation;
    expect(label).toBe("fp8");
    expect(answer).toMatch(/^Undecided: fp8 leads, 1\.0\d+x awq, over the 4 kinds/);
    expect(next).toMatch(/--repeats 3/);
    expect(wordsOf(flips)).toMatch(/if one user .* is all that counts, awq is 1\.15x better/);
    expect(wordsOf(flips)).toMatch(/awq and fp8 change places at batch 5/);
  });

  it("is undecided between rows that differ by less than the noise", () => {
    const rows = ["a", "b"].map((label, index) => ({
      ...(syntheticRows[0] as SyntheticRow),
      label,
      stepMs: (b: number) => (10 + 0.2 * b) * (1 + 0.01 * index),
    }));
    const once = analyzeRun(syntheticRun({ rows })).recommendation;
    expect(once.label).toBe("a");
    expect(once.verdict).toBe("undecided");
  });

  it("never names a row that breaks the budget, whatever the figures", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 50, noNaN: true }), { minLength: 3, maxLength: 3 }),
        fc.double({ min: 0.05, max: 0.3, noNaN: true }),
        (steps, memoryGb) => {
          const rows = syntheticRows.map((row, i) => ({ ...row, stepMs: () => steps[i] ?? 1 }));
          const run = syntheticRun({ rows, config: { budget: { memoryGb } } });
          const { label } = recommend(run, []);
          if (label === undefined) return;
          const bytes = run.manifest.traffic?.[label]?.weights.totalBytes ?? 0;
          expect(bytes).toBeLessThanOrEqual(memoryGb * 1e9);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("lets invalid cells decide nothing", () => {
    const run = syntheticRun();
    const results = run.results.map((result) => ({
      quantlab: { ...result.quantlab, validity: { valid: false, reasons: ["client lag 12 ms"] } },
    }));
    const { recommendation, incidents } = analyzeRun({ ...run, results });
    expect(recommendation.answer).toMatch(/^Undecided/);
    expect(recommendation.objectives).toEqual([]);
    expect(
      incidents.some(({ kind, reason }) => kind === "invalid" && reason === "client lag 12 ms"),
    ).toBe(true);
  });
});

describe("comparing two runs", () => {
  const slower = (factor: number, repeats: number) =>
    syntheticRun({ repeats, noise: (repeat) => factor * noisy(repeat) });

  it("tells a real regression from noise, by its interval", () => {
    const limit = parseThreshold("tpot>+5%");
    const verdicts = (b: Run) =>
      new Set(
        compareRuns(slower(1, 4), b)
          .filter(({ figure }) => limit.figures.includes(figure))
          .map((change) => judge(change, limit)),
      );
    expect(verdicts(slower(1.2, 4))).toEqual(new Set(["fails"]));
    expect(verdicts(slower(1.02, 4))).toEqual(new Set(["holds"]));
    expect(verdicts(slower(1.2, 1))).toEqual(new Set(["undecided"]));
  });

  it("has ratios of exactly 1 between a run and itself", () => {
    const run = slower(1, 3);
    const changes = compareRuns(run, run);
    expect(changes.length).toBeGreaterThan(20);
    for (const { ratio, real } of changes) {
      expect(ratio.value).toBeCloseTo(1, 12);
      expect(real === true).toBe(false);
    }
  });

  it("gives Welch's interval", () => {
    // exp of the difference of logs; hand-computed: means 0 and ln 2, equal variances.
    const spread = [Math.exp(-0.1), 1, Math.exp(0.1)];
    const { value, low } = unpairedRatio(
      spread,
      spread.map((x) => 2 * x),
    );
    expect(value).toBeCloseTo(2, 12);
    expect(low).toBeCloseTo(2 * Math.exp(-2.776445 * Math.sqrt((2 * 0.01) / 3)), 5);
  });

  it.each(["tpot", "speed>5%", "tpot=5%", "tpot>fast%", "__proto__>5%"])("refuses %j", (text) => {
    expect(() => parseThreshold(text)).toThrow("is not a threshold");
  });
});
