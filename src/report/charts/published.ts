/** The figure of the published run redone: each row's four headline figures, relative to the first row. */
import { evidenceOf, type FigurePlace, figureOf, rowsOf } from "../../analysis/cells.ts";
import type { Table } from "../../analysis/finding.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, logAxis, plainQuantity, rowScale, type Spec } from "./chart.ts";

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly place: FigurePlace;
}

const panels: readonly Panel[] = [
  {
    title: "time per token, batch 1",
    unit: "ms",
    better: "lower",
    place: { experiment: "latency", setting: "batch-1", figure: "msPerTokenMedian" },
  },
  {
    title: "offline, 200 requests",
    unit: "tok/s",
    better: "higher",
    place: { experiment: "throughput", setting: "requests-200", figure: "offlineTokensPerSecond" },
  },
  {
    title: "ITL at 4 req/s",
    unit: "ms",
    better: "lower",
    place: { experiment: "serving", setting: "rate-4", figure: "itlMsMedian" },
  },
];

interface Bar {
  readonly row: string;
  readonly panel: string;
  /** How many times better than the first row; below 1 is worse. */
  readonly gain: number;
  readonly value: number;
  readonly unit: string;
  readonly text: string;
  readonly evidence: readonly string[];
}

export const published: Chart = {
  id: "published",
  figure(run) {
    if (run.manifest.published === undefined) return undefined;
    const bars = barsOf(run);
    const [first] = rowsOf(run);
    if (new Set(bars.map(({ row }) => row)).size < 2) return undefined;
    return {
      id: "published",
      title: "The published figures, relative to BF16",
      caption: `How many times better than ${first} each row is; left of 1 is worse. ${captionOf(bars)} TTFT is left out: it was computed from ITL, not measured.`,
      spec: (width) => specOf(rowsOf(run), bars, width),
      data: dataOf(bars),
    };
  },
};

function barsOf(run: Run): Bar[] {
  const [first] = rowsOf(run);
  return panels.flatMap(({ title, unit, better, place }) => {
    const base = figureOf(run, first ?? "", place)?.value;
    return rowsOf(run).flatMap((row) => {
      const value = figureOf(run, row, place)?.value;
      if (base === undefined || value === undefined) return [];
      const gain = better === "lower" ? base / value : value / base;
      const text = `${asText(value)} ${unit}`;
      const panel = `${title} (${better} is better)`;
      return [{ row, panel, gain, value, unit, text, evidence: evidenceOf(run, row, place) }];
    });
  });
}

function captionOf(bars: readonly Bar[]): string {
  const worst = bars.toSorted((a, b) => a.gain - b.gain)[0];
  const best = bars.toSorted((a, b) => b.gain - a.gain)[0];
  if (worst === undefined || best === undefined) return "";
  return `Best: ${best.row}, ${asText(best.gain)} times in ${best.panel.replace(/ \(.*/, "")}; worst: ${worst.row}, ${asText(1 / worst.gain)} times slower in ${worst.panel.replace(/ \(.*/, "")}.`;
}

function specOf(rows: readonly string[], bars: readonly Bar[], width: number): Spec {
  const { color, shape } = rowScale(rows, bars);
  const y = {
    field: "row",
    type: "nominal",
    sort: [...rows],
    title: null,
    axis: { labelFontSize: 13, ticks: false, domain: false },
  };
  const axis = logAxis(
    bars.flatMap(({ gain }) => [gain / 1.4, gain * 2]),
    "times better than the first row",
  );
  const x = { field: "gain", ...axis };
  return {
    data: { values: bars.map((bar) => ({ ...bar, one: 1, end: Math.max(1, bar.gain) })) },
    facet: {
      field: "panel",
      type: "nominal",
      sort: [...new Set(bars.map(({ panel }) => panel))],
      title: null,
      header: { labelColor: "currentColor", labelFontSize: 13, labelAnchor: "start" },
    },
    columns: 1,
    spacing: 14,
    spec: {
      width,
      height: { step: 30 },
      layer: [
        {
          mark: { type: "rule", color: "currentColor", strokeDash: [3, 3] },
          encoding: { x: { ...x, field: "one" } },
        },
        {
          mark: { type: "rule", strokeWidth: 3 },
          encoding: {
            x: { ...x, field: "one" },
            x2: { field: "gain" },
            y,
            color: { ...color, legend: null },
          },
        },
        {
          mark: { type: "point", filled: true, size: 130, opacity: 1 },
          encoding: { x, y, color: { ...color, legend: null }, shape: { ...shape, legend: null } },
        },
        {
          mark: { type: "text", align: "left", dx: 10, fontSize: 12, color: "currentColor" },
          encoding: { x: { ...x, field: "end" }, y, text: { field: "text", type: "nominal" } },
        },
      ],
    },
  };
}

function dataOf(bars: readonly Bar[]): Table {
  return {
    title: "The published figures",
    columns: [
      { id: "panel", title: "figure", unit: "" },
      { id: "row", title: "format", unit: "" },
      { id: "value", title: "value", unit: "" },
      { id: "gain", title: "times better", unit: "" },
    ],
    rows: bars.map(({ panel, row, value, unit, gain, evidence }) => ({
      panel,
      row,
      value: plainQuantity(value, unit, evidence),
      gain: { text: `${asText(gain)}x`, evidence },
    })),
  };
}
