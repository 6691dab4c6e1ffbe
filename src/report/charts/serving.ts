/** TTFT and ITL by request rate: medians with a line up to the 99th percentile. */
import { evidenceOf, figureOf, rowsOf, settingsOf, settingTitle } from "../../analysis/cells.ts";
import type { Table } from "../../analysis/finding.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, logAxis, plainQuantity, rowScale, type Spec, when } from "./chart.ts";

interface Point {
  readonly row: string;
  readonly rate: string;
  readonly median: number;
  /** The median again where no p99 was measured. */
  readonly p99: number;
  readonly evidence: readonly string[];
}

/** One chart a metric; both are built alike. */
function servingChart(metric: "ttft" | "itl", name: string, meaning: string): Chart {
  return {
    id: metric,
    figure(run, _analysis, records) {
      // With records there is the whole distribution instead.
      const points = records.size > 0 ? [] : pointsOf(run, metric);
      if (points.length === 0) return undefined;
      const rates = settingsOf(run, "serving").map(settingTitle);
      return {
        id: metric,
        title: `${name} by request rate`,
        caption: `${meaning} Marks are medians, lines reach to the 99th percentile; the axis is logarithmic. ${captionOf(points, rates)}`,
        spec: (width) => specOf(rowsOf(run), rates, points, name, width),
        data: dataOf(points, name),
      };
    },
  };
}

export const ttft: Chart = servingChart(
  "ttft",
  "Time to first token",
  "How long a user waits for the first token.",
);
export const itl: Chart = servingChart(
  "itl",
  "Inter-token latency",
  "The time between two tokens of a stream.",
);

function pointsOf(run: Run, metric: "ttft" | "itl"): Point[] {
  return settingsOf(run, "serving").flatMap((setting) =>
    rowsOf(run).flatMap((row) => {
      const place = { experiment: "serving", setting };
      const median = figureOf(run, row, { ...place, figure: `${metric}MsMedian` })?.value;
      const p99 = figureOf(run, row, { ...place, figure: `${metric}MsP99` })?.value;
      // A logarithmic axis has no zero.
      if (median === undefined || median <= 0) return [];
      const evidence = evidenceOf(run, row, { ...place, figure: `${metric}MsMedian` });
      const rate = settingTitle(setting);
      return [{ row, rate, median, p99: Math.max(median, p99 ?? median), evidence }];
    }),
  );
}

function captionOf(points: readonly Point[], rates: readonly string[]): string {
  return rates
    .flatMap((rate) => {
      const here = points.filter((point) => point.rate === rate);
      const best = here.toSorted((a, b) => a.median - b.median)[0];
      return best === undefined || here.length < 2
        ? []
        : [`${when(rate)}, ${best.row} has the lowest median, ${asText(best.median)} ms.`];
    })
    .join(" ");
}

function specOf(
  rows: readonly string[],
  rates: readonly string[],
  points: readonly Point[],
  name: string,
  width: number,
): Spec {
  const x = {
    field: "rate",
    type: "nominal",
    sort: rates,
    axis: { title: "request rate", labelAngle: 0, labelFontSize: 12 },
    scale: { paddingInner: 0.25 },
  };
  const xOffset = { field: "row", type: "nominal", sort: rows };
  const values = points.flatMap(({ median, p99 }) => [median, p99]);
  const y = { field: "median", ...logAxis(values, `${name} (ms)`) };
  const { color, shape } = rowScale(rows, points);
  return {
    width,
    height: 260,
    data: { values: points },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2.5 },
        encoding: { x, xOffset, y, y2: { field: "p99" }, color },
      },
      {
        mark: { type: "tick", thickness: 2.5, size: 12, orient: "horizontal" },
        encoding: { x, xOffset, y: { ...y, field: "p99" }, color },
      },
      {
        mark: { type: "point", filled: true, size: 110, opacity: 1 },
        encoding: { x, xOffset, y, color, shape },
      },
    ],
  };
}

function dataOf(points: readonly Point[], name: string): Table {
  return {
    title: name,
    columns: [
      { id: "row", title: "format", unit: "" },
      { id: "rate", title: "rate", unit: "" },
      { id: "median", title: "median", unit: "ms" },
      { id: "p99", title: "p99", unit: "ms" },
    ],
    rows: points.map(({ row, rate, median, p99, evidence }) => ({
      row,
      rate,
      median: plainQuantity(median, "ms", evidence),
      p99: p99 === median ? "—" : plainQuantity(p99, "ms", evidence),
    })),
  };
}
