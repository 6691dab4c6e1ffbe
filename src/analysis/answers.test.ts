import { describe, expect, it } from "vitest";
import { syntheticRun } from "../../test/synthetic-run.ts";
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import { analyzeRun } from "./analyze.ts";
import { wordsOf } from "./finding.ts";

const textOf = (run: Run, id: string) =>
  wordsOf(analyzeRun(run).answers.find((answer) => answer.id === id)?.sentences ?? []);

describe("the answers of a run", () => {
  const reference = referenceRuns[0] as Run;

  it("hold the measured gain against what bytes and units allow", () => {
    expect(textOf(reference, "q1")).toMatch(/1\.45x as fast.*allow 1\.86x.*52\.1 % of that gain/);
    expect(textOf(reference, "q1")).toMatch(/units allow 2\.00x \(dense\)/);
    expect(textOf(syntheticRun(), "q1")).toMatch(/this device allows 1x/);
  });

  it("say where a gain vanishes and what the memory buys", () => {
    expect(textOf(syntheticRun(), "q2")).toMatch(/crossover with bf16 .*: 25\.4\. Predicted/);
    expect(textOf(reference, "q2")).toMatch(/5\.73 GB instead of 16\.1 GB.*2 replicas/);
  });

  it("say when not to quantize", () => {
    expect(textOf(syntheticRun(), "q3")).toMatch(
      /not measured here .*Memory is no reason.*Not to awq/,
    );
    expect(analyzeRun({ ...syntheticRun(), results: [] }).answers.length).toBe(3);
  });
});
