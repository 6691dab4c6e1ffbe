/** What a chart is: a pure function from a run's analysis to a Vega-Lite specification. */
import type { Analysis } from "../../analysis/analyze.ts";
import { rowsOf } from "../../analysis/cells.ts";
import type { Quantity, Table } from "../../analysis/finding.ts";
import type { RecordedTimes } from "../../results/records.ts";
import type { Run } from "../../results/run.ts";

/** Vega-Lite JSON; render.ts checks it, as the library's types stay behind that door. */
export type Spec = Readonly<Record<string, unknown>>;

export interface Figure {
  readonly id: string;
  readonly title: string;
  /** What is to be seen, in a sentence or two; read in place of the picture. */
  readonly caption: string;
  /** Drawn once for wide pages and once for phones. @param width of the plot in pixels */
  readonly spec: (width: number) => Spec;
  /** The numbers of the picture. */
  readonly data: Table;
}

/** Requests of the serving cells, by cell path; empty where the run has none on disk. */
export type Records = ReadonlyMap<string, readonly RecordedTimes[]>;

export interface Chart {
  readonly id: string;
  /** undefined when the run has not measured what it shows. */
  figure(run: Run, analysis: Analysis, records: Records): Figure | undefined;
}

/**
 * Told apart on white and on dark (at least 3 : 1 on both) and by the usual forms of colour
 * blindness; each row also has its own mark.
 */
export const rowColors: readonly string[] = [
  "#2f80c3",
  "#cf6a12",
  "#2a9069",
  "#a45fc4",
  "#a07a1e",
  "#d0527c",
];

/** Rows that a chart has something of; a row may stand for its answers alone. */
export function shownRows(run: Run, drawn: readonly { readonly row: string }[]): string[] {
  return rowsOf(run).filter((label) => drawn.some(({ row }) => row === label));
}

/** "At 4 req/s", "When saturated". */
export function when(rate: string): string {
  return rate === "saturated" ? "When saturated" : `At ${rate}`;
}

/** The colour and mark of each row, the same in every chart of a run; only drawn rows have a legend. */
export function rowScale(
  labels: readonly string[],
  drawn: readonly { readonly row: string }[],
): {
  readonly color: Spec;
  readonly shape: Spec;
} {
  const range = labels.map((_, i) => rowColors[i % rowColors.length]);
  const legend = { values: labels.filter((label) => drawn.some(({ row }) => row === label)) };
  const marks = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"];
  return {
    color: {
      field: "row",
      type: "nominal",
      sort: null,
      scale: { domain: labels, range },
      title: null,
      legend,
    },
    shape: {
      field: "row",
      type: "nominal",
      sort: null,
      scale: { domain: labels, range: labels.map((_, i) => marks[i % marks.length]) },
      title: null,
      legend,
    },
  };
}

/** A value for the table of a figure, with the cells that it comes from. */
export function plainQuantity(
  value: number,
  unit: string,
  evidence: readonly string[] = [],
): Quantity {
  return {
    value,
    unit,
    n: 1,
    of: "run",
    low: undefined,
    high: undefined,
    ceiling: undefined,
    evidence,
  };
}

/** Tick values 1, 2, 5 times powers of ten that cover a range: a log axis always has labels. */
export function logTicks(values: readonly number[]): number[] {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return [];
  const [low, high] = [Math.min(...positive), Math.max(...positive)];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
  }
  const first = ticks.findLastIndex((tick) => tick <= low);
  const last = ticks.findIndex((tick) => tick >= high);
  const shown = ticks.slice(Math.max(0, first), last + 1);
  // Labels of more than three decades would cover each other: the ends and the powers of ten stay.
  return shown.length <= 8
    ? shown
    : shown.filter((tick, i) => i === 0 || i === shown.length - 1 || isPowerOfTen(tick));
}

function isPowerOfTen(value: number): boolean {
  return Number.isInteger(Number(Math.log10(value).toFixed(9)));
}

/** A log scale from the first to the last of its ticks. */
export function logAxis(values: readonly number[], title: string): Spec {
  const ticks = logTicks(values);
  return {
    type: "quantitative",
    scale: { type: "log", domain: [ticks[0] ?? 1, ticks.at(-1) ?? 10], nice: false },
    axis: { values: ticks, format: "~f", title, labelOverlap: true },
  };
}
