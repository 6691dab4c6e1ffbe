import { describe, expect, it } from "vitest";
import { syntheticRows, syntheticRun } from "../../test/synthetic-run.ts";
import { analyzeRun } from "../analysis/analyze.ts";
import type { Table } from "../analysis/finding.ts";
import { bar, resultText } from "./result-text.ts";

const tableOf = (repeats: number, rows = syntheticRows): Table => {
  const noise = (repeat: number) => 1 + 0.03 * Math.sin(17 * repeat + 1);
  const [table] = analyzeRun(syntheticRun({ rows, repeats, noise })).tables;
  if (table === undefined) throw new Error("no result table");
  return table;
};

describe("the end table", () => {
  it.each([
    [1, syntheticRows],
    [3, syntheticRows],
    [3, [...syntheticRows, ...syntheticRows.map((row) => ({ ...row, label: `${row.label}-2` }))]],
  ])("fits 100 columns with %i repeats", (repeats, rows) => {
    const text = resultText(tableOf(repeats, rows));
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    for (const { label } of rows) expect(text).toContain(label);
  });

  it("shows units, intervals and a bar against the ceiling", () => {
    const text = resultText(tableOf(3));
    expect(text).toMatch(/ms\/token, batch 1 \(ms\) +1\d\.\d \[\d/);
    expect(text).toMatch(/of 34\.0, read bandwidth +█+\S* +7\d\.\d %/);
    expect(text).toMatch(/exact match \(%\) +not measured/);
    expect(text).not.toContain("—");
  });
});

describe("a bar", () => {
  it("is as long as its share, and no longer than its ceiling", () => {
    expect([bar(0), bar(0.5), bar(0.56), bar(1), bar(3), bar(-1)]).toEqual([
      "··········",
      "█████·····",
      "█████▌····",
      "██████████",
      "██████████",
      "··········",
    ]);
  });
});
