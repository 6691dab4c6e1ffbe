import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { definitionOf, metricDefinitions } from "./definitions.ts";
import { renderMetricsPage } from "./reference-page.ts";
import { summarize } from "./summary.ts";

test("docs/metrics.md is what the definitions say; run node scripts/metrics-docs.mjs", () => {
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  expect(page).toBe(renderMetricsPage());
});

test("every definition is a key of a summary, and every latency has one", () => {
  const keys = Object.keys(summarize([], { durationMs: 0 }));
  const ids = metricDefinitions.map((definition) => definition.id);
  expect(keys).toEqual(expect.arrayContaining(ids));
  expect(new Set(ids).size).toBe(ids.length);
  for (const key of keys.filter((name) => name.endsWith("Ms") && name !== "durationMs")) {
    expect(definitionOf(key), key).toBeDefined();
  }
});
