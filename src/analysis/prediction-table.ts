/** Predictions beside measurements as one table, and how good the fit is as one finding. */
import { quantity, settingTitle } from "./cells.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { type Finding, manifestPath, type Table } from "./finding.ts";
import { medianAbsolute } from "./fit.ts";
import type { Predictions } from "./prediction.ts";
import { asPercent, asText } from "./wording.ts";

const exact = (value: number) => ({ value, n: 1, low: undefined, high: undefined });

export function predictionTable(diagnoses: readonly Diagnosis[]): Table {
  // A prediction comes from the row's fitted cells; where others were fitted instead, from those.
  const fitted = diagnoses.map(({ cell }) => cell).filter(({ role }) => role === "fitted");
  const fittedFor = (label: string) => {
    const own = fitted.filter((cell) => cell.label === label).flatMap(({ evidence }) => evidence);
    return own.length > 0 ? own : [manifestPath];
  };
  return {
    title: "Predicted against measured",
    columns: [
      { id: "cell", title: "cell", unit: "" },
      { id: "metric", title: "figure", unit: "" },
      { id: "floor", title: "on the ceilings", unit: "" },
      { id: "predicted", title: "predicted", unit: "" },
      { id: "measured", title: "measured", unit: "" },
      { id: "residual", title: "residual", unit: "%" },
      { id: "role", title: "in the fit", unit: "" },
      { id: "reason", title: "what takes most of it", unit: "" },
    ],
    rows: diagnoses.map(({ cell, reason, share }) => ({
      cell: `${cell.label}, ${cell.experiment}, ${settingTitle(cell.setting)}`,
      metric:
        unitOf(cell.metric) === "ms"
          ? `${cell.metric}, ms`.replace("ms/token, ms", "ms/token")
          : cell.metric,
      floor: quantity(exact(cell.floor), unitOf(cell.metric), 1, undefined, [manifestPath]),
      predicted: quantity(
        exact(cell.predicted),
        unitOf(cell.metric),
        1,
        undefined,
        fittedFor(cell.label),
      ),
      measured: quantity(cell.measured, unitOf(cell.metric), 1, undefined, cell.evidence),
      residual: { text: signedPercent(cell.residual), evidence: cell.evidence },
      role: cell.role === "other" ? "no" : cell.role,
      reason: {
        text: `${reason}, ${asPercent(Math.min(1, share))}`,
        evidence: cell.evidence,
      },
    })),
  };
}

function unitOf(metric: string): string {
  return metric === "output tok/s" ? "tok/s" : "ms";
}

function signedPercent(share: number): string {
  const text = asText(100 * share);
  return share > 0 ? `+${text}` : text.replace("-", "−");
}

/** The median residual that the held-out cells are to stay within. */
const goodResidual = 0.2;

export function fitFinding({
  cells,
  engine,
  heldOutMedian,
  heldOut,
  fitted,
}: Predictions): Finding {
  const factors = Object.entries(engine.efficiency)
    .map(([row, { memory }]) => `${row} ${asPercent(memory)}`)
    .join(", ");
  const { memory, overheadMs = 0 } = engine.otherwise;
  const shared = `${asPercent(memory)} of the ceilings${overheadMs > 0 ? ` and ${asText(overheadMs)} ms a step` : ""}`;
  const turns = engine.otherwise.serial === true ? " (reading and arithmetic in turn)" : "";
  const quality =
    heldOutMedian === undefined
      ? "No cell was held out, so the fit is not tested."
      : `The median absolute residual of the ${heldOut} decode cells that the fit did not see is ${asPercent(heldOutMedian)}${heldOutMedian <= goodResidual ? "" : ", above the 20 % that a prediction here should keep"}.`;
  return {
    id: "prediction/fit",
    claim: `Share of the roofline reached, ${engine.source}: ${factors === "" ? shared : factors}${turns}. ${quality}${underLoad(cells)}`,
    verdict: heldOutMedian === undefined ? "info" : heldOutMedian <= goodResidual ? "yes" : "no",
    numbers: {
      ...(heldOutMedian === undefined
        ? {}
        : { heldOutMedian: quantity(exact(100 * heldOutMedian), "%") }),
      fittedCells: quantity(exact(fitted), "cells"),
    },
    evidence: cells.filter(({ role }) => role !== "other").flatMap(({ evidence }) => evidence),
  };
}

/** How far off figures are that no factor was fitted to: prompts, whole requests, queues. */
function underLoad(cells: Predictions["cells"]): string {
  const off = (metrics: readonly string[]) =>
    medianAbsolute(
      cells
        .filter(({ role, metric }) => role === "other" && metrics.includes(metric))
        .map(({ residual }) => residual),
    );
  const [rates, waits] = [off(["output tok/s"]), off(["TTFT", "ITL"])];
  const parts = [
    ...(rates === undefined ? [] : [`${asPercent(rates)} for output tok/s`]),
    ...(waits === undefined ? [] : [`${asPercent(waits)} for TTFT and ITL`]),
  ];
  if (parts.length === 0) return "";
  return ` Of the figures that follow from it without a fit (prompts, whole requests, requests in a queue) it is ${parts.join(" and ")}.`;
}
