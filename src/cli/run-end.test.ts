import { expect, test } from "vitest";
import { syntheticRun } from "../../test/synthetic-run.ts";
import { analyzeRun } from "../analysis/analyze.ts";
import { tableText } from "./run-end.ts";
import { terminalWidth } from "./table.ts";

test("the result table fits the terminal, each block with a row for every format", () => {
  const [results] = analyzeRun(syntheticRun()).tables;
  const text = results === undefined ? "" : tableText(results);
  const lines = text.split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(terminalWidth);
  const blocks = lines.filter((line) => line.startsWith("---")).length;
  for (const format of ["bf16", "fp8", "awq"]) {
    expect(lines.filter((line) => line.startsWith(`${format} `))).toHaveLength(blocks);
  }
  expect(text).not.toContain("—");
});
