/** Everything that is concluded from one run, as data for the terminal, the page and Markdown. */
import type { Run } from "../results/run.ts";
import { cellPath } from "../results/run.ts";
import { type Answer, answersOf } from "./answers.ts";
import { type BoundCell, boundCells, boundFinding } from "./bound.ts";
import { settingNumber, settingsOf } from "./cells.ts";
import { crossoverFinding, crossoverTable } from "./crossover-text.ts";
import { type RowCrossover, rowCrossovers } from "./crossovers.ts";
import { type Diagnosis, diagnose } from "./diagnosis.ts";
import { type Requirements, requirementsOf } from "./eligibility.ts";
import { expectedFindings, expectedTable } from "./expected.ts";
import type { Finding, Table } from "./finding.ts";
import { disturbances, noiseFinding } from "./noise.ts";
import { type Predictions, predictions } from "./prediction.ts";
import { fitFinding, predictionTable } from "./prediction-table.ts";
import { publishedFindings } from "./published.ts";
import { type Recommendation, recommend } from "./recommend.ts";
import { batchesToMeasure } from "./refine.ts";
import { resultTable } from "./result-table.ts";
import { answerFindings, answersTable } from "./row-answers-text.ts";
import { serversTable } from "./servers.ts";
import { trapFindings } from "./traps.ts";

/** A cell whose figures are missing or may not be used. */
export interface Incident {
  readonly path: string;
  readonly kind: "failed" | "skipped" | "invalid" | "not run";
  readonly reason: string;
}

export interface Analysis {
  /** The result table first, then what was asked of the rows, floors beside measurements, then expectations. */
  readonly tables: readonly Table[];
  readonly findings: readonly Finding[];
  readonly recommendation: Recommendation;
  /** To the three questions of the lab. */
  readonly answers: readonly Answer[];
  readonly crossovers: readonly RowCrossover[];
  readonly bounds: readonly BoundCell[];
  /** undefined without decode cells or ceilings. */
  readonly predictions: Predictions | undefined;
  readonly diagnoses: readonly Diagnosis[];
  /** Batch sizes whose throughput cells would narrow the measured crossovers. */
  readonly nextBatches: readonly number[];
  readonly incidents: readonly Incident[];
}

/** @param requirements what a team can afford; the run's configuration where absent */
export function analyzeRun(run: Run, requirements: Requirements = requirementsOf(run)): Analysis {
  const bounds = boundCells(run);
  const predicted = predictions(run);
  const diagnoses = diagnose(run, predicted?.cells ?? []);
  const crossovers = rowCrossovers(run, predicted?.engine);
  const expected = expectedFindings(run);
  const servers = serversTable(run);
  const asked = answersTable(run);
  const recommendation = recommend(run, crossovers, requirements);
  return {
    tables: [
      resultTable(run, crossovers),
      ...(asked === undefined ? [] : [asked]),
      ...(crossovers.length === 0 ? [] : [crossoverTable(run, crossovers)]),
      ...(diagnoses.length === 0 ? [] : [predictionTable(diagnoses)]),
      ...(expected.length === 0 ? [] : [expectedTable(expected)]),
      ...(servers === undefined ? [] : [servers]),
    ],
    findings: [
      ...recommendation.objectives,
      ...answerFindings(run),
      ...trapFindings(run),
      ...crossovers.flatMap((crossover) => crossoverFinding(run, crossover) ?? []),
      ...(predicted === undefined ? [] : [fitFinding(predicted)]),
      ...bounds.map(boundFinding),
      ...expected,
      ...publishedFindings(run),
      ...disturbances(run),
      ...noiseFinding(run),
    ],
    recommendation,
    answers: answersOf(run, crossovers),
    crossovers,
    bounds,
    predictions: predicted,
    diagnoses,
    nextBatches: batchesToMeasure(
      crossovers,
      settingsOf(run, "throughput").map(settingNumber).filter(Number.isInteger),
    ),
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
