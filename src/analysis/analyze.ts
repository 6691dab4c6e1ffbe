/** Everything that is concluded from one run, as data for the terminal, the page and Markdown. */
import type { Run } from "../results/run.ts";
import { cellPath } from "../results/run.ts";
import { type BoundCell, boundCells, boundFinding, boundTable } from "./bound.ts";
import { crossoverFinding, type RowCrossover, rowCrossovers } from "./crossovers.ts";
import { expectedFindings, expectedTable } from "./expected.ts";
import type { Finding, Table } from "./finding.ts";
import { publishedFindings } from "./published.ts";
import { type Recommendation, recommend } from "./recommend.ts";
import { resultTable } from "./result-table.ts";

/** A cell whose figures are missing or may not be used. */
export interface Incident {
  readonly path: string;
  readonly kind: "failed" | "skipped" | "invalid" | "not run";
  readonly reason: string;
}

export interface Analysis {
  /** The result table first, then floors beside measurements, then expectations. */
  readonly tables: readonly Table[];
  readonly findings: readonly Finding[];
  readonly recommendation: Recommendation;
  readonly crossovers: readonly RowCrossover[];
  readonly bounds: readonly BoundCell[];
  readonly incidents: readonly Incident[];
}

export function analyzeRun(run: Run): Analysis {
  const crossovers = rowCrossovers(run);
  const bounds = boundCells(run);
  const expected = expectedFindings(run);
  const recommendation = recommend(run, crossovers);
  return {
    tables: [
      resultTable(run, crossovers),
      ...(bounds.length === 0 ? [] : [boundTable(bounds)]),
      ...(expected.length === 0 ? [] : [expectedTable(expected)]),
    ],
    findings: [
      ...recommendation.objectives,
      ...crossovers.flatMap((crossover) => crossoverFinding(run, crossover) ?? []),
      ...bounds.map(boundFinding),
      ...expected,
      ...publishedFindings(run),
    ],
    recommendation,
    crossovers,
    bounds,
    incidents: incidentsOf(run),
  };
}

function incidentsOf(run: Run): Incident[] {
  const present = new Set(run.results.map(({ quantlab }) => cellPath(quantlab.key)));
  const missing = run.manifest.cells
    .map(cellPath)
    .filter((path) => !present.has(path))
    .map((path): Incident => ({ path, kind: "not run", reason: "the run was interrupted" }));
  const others = run.results.flatMap(({ quantlab }): Incident[] => {
    const path = cellPath(quantlab.key);
    if (quantlab.status !== "done") {
      return [{ path, kind: quantlab.status, reason: quantlab.reason ?? "no reason recorded" }];
    }
    const { valid, reasons } = quantlab.validity;
    return valid ? [] : [{ path, kind: "invalid", reason: reasons.join("; ") }];
  });
  return [...others, ...missing];
}
