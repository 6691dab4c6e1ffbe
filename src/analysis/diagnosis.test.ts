import { describe, expect, it } from "vitest";
import { type SyntheticRow, syntheticRun } from "../../test/synthetic-run.ts";
import { referenceRuns } from "../results/reference.ts";
import type { CellResult, Run } from "../results/run.ts";
import { predictDecodeStep } from "../roofline/predict.ts";
import { analyzeRun } from "./analyze.ts";
import { ceilingsOf } from "./cells.ts";
import { diagnose } from "./diagnosis.ts";
import { predictions } from "./prediction.ts";
import { trapFindings } from "./traps.ts";

const row = (label: string, format: string, stepMs: (batch: number) => number): SyntheticRow => ({
  label,
  format,
  bitsPerWeight: { bf16: 16, fp8: 8, awq: 4.3125 }[format] ?? 16,
  stepMs,
});

/** Rows whose decode time is a constant multiple of reading and multiplying in turn at the ceilings. */
function scaledRun(factors: Readonly<Record<string, number>>): Run {
  const formats = Object.keys(factors);
  const plain = syntheticRun({ rows: formats.map((format) => row(format, format, () => 1)) });
  const ceilings = ceilingsOf(plain);
  const rows = formats.map((format) =>
    row(format, format, (batch) => {
      const model = plain.manifest.traffic?.[format];
      if (model === undefined || ceilings === undefined) throw new Error("no floor");
      const work = { memory: 1, compute: 1, serial: true };
      return predictDecodeStep(model, ceilings, batch, 80, work).ms * (factors[format] ?? 1);
    }),
  );
  return syntheticRun({ rows });
}

function withCell(run: Run, path: string, change: (cell: CellResult["quantlab"]) => object): Run {
  const results = run.results.map((result) => {
    const { key } = result.quantlab;
    const own = `${key.format}/${key.experiment}/${key.setting}`;
    return own === path
      ? { ...result, quantlab: { ...result.quantlab, ...change(result.quantlab) } }
      : result;
  });
  return { ...run, results };
}

function reasonOf(run: Run, where: string): string {
  const found = diagnose(run, predictions(run)?.cells ?? []).find(
    ({ cell }) => `${cell.label}/${cell.experiment}/${cell.setting}/${cell.metric}` === where,
  );
  if (found === undefined) throw new Error(`no diagnosis of ${where}`);
  return found.reason;
}

describe("predictions", () => {
  it("tell the held-out cells of rows that keep to a share of the roofline", () => {
    const found = predictions(scaledRun({ bf16: 1.25, fp8: 1.6, awq: 2 }));
    expect(found?.engine.efficiency.awq?.memory).toBeCloseTo(0.5, 9);
    expect(found?.heldOut).toBe(6);
    expect(found?.heldOutMedian).toBeLessThan(1e-9);
  });

  it("name every measured figure of a cell with a floor", () => {
    const cells = predictions(syntheticRun())?.cells ?? [];
    // Three rows: time per token in 5 cells, TTFT alone, tok/s in 4, TTFT and ITL at 2 rates.
    expect(cells.length).toBe(3 * (5 + 1 + 4 + 4));
    for (const cell of cells) expect(cell.residual, cell.metric).toBeGreaterThan(-1);
  });

  it("predict each published figure from the other five", () => {
    const found = referenceRuns.map((run) => predictions(run));
    for (const entry of found) {
      const decode = entry?.cells.filter(({ role }) => role === "held out") ?? [];
      expect(decode.length).toBeGreaterThan(0);
      for (const { residual } of decode) expect(Math.abs(residual)).toBeLessThan(0.2);
    }
  });
});

describe("the named reason", () => {
  it("is a ceiling where one explains half of the time", () => {
    const run = scaledRun({ bf16: 1.25 });
    expect(reasonOf(run, "bf16/latency/batch-1/ms/token")).toBe("weight bandwidth");
    expect(reasonOf(run, "bf16/throughput/batch-64/ms/token")).toBe("compute");
  });

  it("is dequantization where a quantized row pays more than the reference", () => {
    const run = syntheticRun({
      rows: [row("bf16", "bf16", () => 9), row("awq", "awq", () => 40)],
    });
    expect(reasonOf(run, "awq/latency/batch-1/ms/token")).toBe("dequantization");
  });

  it("is step overhead where all rows pay alike", () => {
    const run = syntheticRun({
      rows: [row("bf16", "bf16", () => 40), row("awq", "awq", () => 34)],
    });
    expect(reasonOf(run, "awq/latency/batch-1/ms/token")).toBe("step overhead");
  });

  it("is queueing or the client where TTFT is waiting", () => {
    const run = syntheticRun();
    expect(reasonOf(run, "bf16/serving/rate-inf/TTFT")).toBe("queueing");
    const late = withCell(run, "bf16/serving/rate-1", ({ figures }) => ({
      figures: { ...figures, clientLagMsP99: 500 },
    }));
    expect(reasonOf(late, "bf16/serving/rate-1/TTFT")).toBe("client");
  });
});

describe("a published TTFT", () => {
  it("that is 128 times ITL is not taken for one", () => {
    const [run] = referenceRuns;
    if (run === undefined) throw new Error("there is a published run");
    expect(reasonOf(run, "awq-plain/serving/rate-4/TTFT")).toBe("not measured as named");
    expect(reasonOf(run, "awq-plain/serving/rate-4/ITL")).toBe("dequantization");
  });
});

describe("traps", () => {
  const ids = (run: Run) => trapFindings(run).map(({ id }) => id);
  const facts = (facts: object) => () => ({ facts });

  it("are not found in a run without them", () => {
    expect(ids(syntheticRun())).toEqual([]);
  });

  it.each([
    ["prefix-cache/fp8", facts({ prefixCacheHitRate: 0.4 })],
    ["preemptions/fp8", facts({ raw: { engine: { preemptions: 3 } } })],
    ["eager/fp8", facts({ enforceEager: true })],
    ["weight-only-fp8/fp8", facts({ kernel: "MarlinFP8ScaledMMLinearKernel" })],
  ])("finds %s in what the server says", (id, change) => {
    expect(ids(withCell(syntheticRun(), "fp8/serving/rate-inf", change))).toEqual([`trap/${id}`]);
  });

  it("finds the forced kernel: fast alone, slow under load", () => {
    const rows = [
      row("bf16", "bf16", (b) => 9 + b),
      row("awq", "awq", (b) => 5 + (b > 1 ? 40 : 0)),
    ];
    const [found] = trapFindings(syntheticRun({ rows }));
    expect(found?.id).toBe("trap/forced-kernel/awq");
    expect(found?.evidence).toContain("awq/serving/rate-1/0");
  });

  it("lays the difference between two rows of one format on their kernels", () => {
    const rows = [
      row("bf16", "bf16", (b) => 9 + b),
      row("awq", "awq", (b) => 5 + b),
      row("awq-plain", "awq", (b) => 15 + b),
    ];
    const run = [
      ["awq", "avx512"],
      ["awq-plain", "plain, avx512"],
    ].reduce(
      (changed, [label, kernel]) =>
        withCell(changed, `${label}/serving/rate-inf`, facts({ kernel })),
      syntheticRun({ rows }),
    );
    const found = trapFindings(run).find(({ id }) => id === "trap/slow-kernel/awq-plain");
    expect(found?.claim).toMatch(/their kernels differ \(plain, avx512; avx512\)/);
    expect(ids(run)).not.toContain("trap/slow-kernel/awq");
  });

  it("finds weights that were saved and given to the cache", () => {
    const run = withCell(syntheticRun(), "awq/memory/loaded", ({ figures }) => ({
      figures: { ...figures, peakResidentBytes: 0.52e9, kvCacheBytes: 0.2e9 },
    }));
    expect(ids(run)).toEqual(["trap/cache-took-it/awq"]);
  });

  it("survives facts of any kind", () => {
    const run = withCell(syntheticRun(), "fp8/serving/rate-inf", facts({ kernel: 7, raw: null }));
    expect(ids(run)).toEqual([]);
  });
});

describe("crossovers", () => {
  it("are told for any pair, kernel variants of one format included", () => {
    const rows = [
      row("bf16", "bf16", (b) => 10 + 0.2 * b),
      row("awq-plain", "awq", (b) => 4 + 0.9 * b),
      row("awq-marlin", "awq", (b) => 5 + 0.3 * b),
    ];
    const { crossovers, findings } = analyzeRun(syntheticRun({ rows }));
    expect(crossovers.length).toBe(9);
    const id = "crossover/output-throughput/awq-marlin/awq-plain";
    expect(findings.find((finding) => finding.id === id)?.claim).toMatch(
      /awq-plain is faster than awq-marlin up to batch 1\.47/,
    );
    expect(findings.some((finding) => finding.id === "crossover/tpot/awq-plain/bf16")).toBe(true);
  });
});
