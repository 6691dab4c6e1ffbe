/** Output tokens per second against batch size, with every crossover marked. */
import type { Analysis } from "../../analysis/analyze.ts";
import { evidenceOf, rowsOf, settingTitle } from "../../analysis/cells.ts";
import { throughputCurve } from "../../analysis/crossovers.ts";
import type { Quantity, Table } from "../../analysis/finding.ts";
import { meanInterval } from "../../analysis/interval.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, logAxis, plainQuantity, rowScale, type Spec, shownRows } from "./chart.ts";

interface Point {
  readonly row: string;
  readonly batch: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

interface Mark {
  readonly batch: number;
  readonly text: string;
  /** Ends of the 95 % interval within the axis; the crossing itself where there is none. */
  readonly low: number;
  readonly high: number;
}

export const throughput: Chart = {
  id: "throughput",
  figure(run, analysis) {
    const points = pointsOf(run);
    const batches = [...new Set(points.map(({ batch }) => batch))].sort((a, b) => a - b);
    if (batches.length < 2) return undefined;
    const marks = marksOf(analysis);
    const roofs = roofsOf(analysis);
    return {
      id: "throughput",
      title: "Throughput against batch size",
      caption: captionOf(analysis, points, batches),
      spec: (width) => specOf(run, { points, marks, roofs, batches }, width),
      data: dataOf(run, points, batches),
    };
  },
};

function pointsOf(run: Run): Point[] {
  return rowsOf(run).flatMap((row) =>
    throughputCurve(run, row).map(({ batch, values }) => {
      const { value, low = value, high = value } = meanInterval(values);
      return { row, batch, value, low: Math.max(low, value / 10), high };
    }),
  );
}

function marksOf(analysis: Analysis): Mark[] {
  return withFirstRow(analysis).flatMap(({ measured, label, reference }) =>
    (measured?.batches ?? []).map((batch, index) => ({
      batch,
      text: `${label} = ${reference} at ${asText(batch)}`,
      low: (index === 0 ? measured?.low : undefined) ?? batch,
      high: index > 0 || measured?.low === undefined ? batch : (measured.high ?? measured.upTo),
    })),
  );
}

/** What the ceilings allow at each measured batch: prompts and answers together. */
function roofsOf({ predictions }: Analysis): { row: string; batch: number; floor: number }[] {
  return (predictions?.cells ?? [])
    .filter(({ experiment, metric }) => experiment === "throughput" && metric === "output tok/s")
    .map(({ label, batch, floor }) => ({ row: label, batch, floor }));
}

interface Drawn {
  readonly points: readonly Point[];
  readonly marks: readonly Mark[];
  readonly roofs: readonly {
    readonly row: string;
    readonly batch: number;
    readonly floor: number;
  }[];
  readonly batches: readonly number[];
}

/** A throughput with the cells that it is the mean of. */
function ofCell(run: Run, row: string, batch: number, value: number): Quantity {
  const place = {
    experiment: "throughput",
    setting: `batch-${batch}`,
    figure: "outputTokensPerSecond",
  };
  return plainQuantity(value, "tok/s", evidenceOf(run, row, place));
}

function specOf(run: Run, { points, marks, roofs, batches }: Drawn, width: number): Spec {
  const x = {
    field: "batch",
    type: "quantitative",
    scale: { type: "log", base: 2, domain: [batches[0], batches.at(-1)], nice: false },
    axis: { values: batches, format: "~f", title: "batch size (sequences)" },
  };
  const values = [
    ...points.flatMap(({ low, high }) => [low, high]),
    ...roofs.map(({ floor }) => floor),
  ];
  const y = { field: "value", ...logAxis(values, "output tokens per second") };
  const { color, shape } = rowScale(rowsOf(run), points);
  const text = { field: "text", type: "nominal" };
  return {
    width,
    height: 300,
    layer: [
      {
        data: { values: marks },
        mark: { type: "rect", color: "currentColor", opacity: 0.1 },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" } },
      },
      {
        data: { values: roofs },
        mark: { type: "line", strokeWidth: 1.5, strokeDash: [2, 3], opacity: 0.9 },
        encoding: { x, y: { ...y, field: "floor" }, color },
      },
      {
        data: { values: marks },
        mark: { type: "rule", strokeDash: [5, 4], color: "currentColor", opacity: 0.7 },
        encoding: { x },
      },
      {
        data: { values: marks },
        mark: {
          type: "text",
          align: "right",
          baseline: "bottom",
          angle: 270,
          dx: 0,
          dy: -3,
          fontSize: 11,
          color: "currentColor",
        },
        encoding: { x, y: { value: 8 }, text },
      },
      {
        data: { values: points },
        mark: { type: "rule", strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      {
        data: { values: points },
        mark: { type: "line", strokeWidth: 2 },
        encoding: { x, y, color },
      },
      {
        data: { values: points },
        mark: { type: "point", filled: true, size: 70, opacity: 1 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

/** Pairs with the first row: more lines would cover each other. */
function withFirstRow({ crossovers }: Analysis): Analysis["crossovers"] {
  const first = crossovers[0]?.reference;
  return crossovers.filter((c) => c.metric === "throughput" && c.reference === first);
}

function captionOf(
  analysis: Analysis,
  points: readonly Point[],
  batches: readonly number[],
): string {
  const top = batches.at(-1);
  const best = points.filter(({ batch }) => batch === top).sort((a, b) => b.value - a.value)[0];
  const crossing = withFirstRow(analysis).flatMap(({ measured, label, reference }) =>
    measured?.kind === "one"
      ? [`${label} and ${reference} change places at batch ${asText(measured.batches[0] ?? 0)}`]
      : [],
  );
  const places =
    crossing.length === 0
      ? "No pair with the first row changes places once."
      : `${crossing.join("; ")} (dashed).`;
  const lead =
    best === undefined
      ? ""
      : `At batch ${top}, ${best.row} gives the most: ${asText(best.value)} tokens per second. `;
  return `${lead}${places} Dotted: what the ceilings allow (roofline). Shaded: 95 % interval of a crossing. Both axes are logarithmic; bars are 95 % intervals where cells were repeated.`;
}

function dataOf(run: Run, points: readonly Point[], batches: readonly number[]): Table {
  return {
    title: "Output tokens per second",
    columns: [
      { id: "row", title: "format", unit: "" },
      ...batches.map((batch) => ({
        id: `batch-${batch}`,
        title: settingTitle(`batch-${batch}`),
        unit: "tok/s",
      })),
    ],
    rows: shownRows(run, points).map((row) => ({
      row,
      ...Object.fromEntries(
        points
          .filter((point) => point.row === row)
          .map(({ batch, value }) => [`batch-${batch}`, ofCell(run, row, batch, value)]),
      ),
    })),
  };
}
