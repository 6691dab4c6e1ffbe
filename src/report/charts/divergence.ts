/** How far each row's next-token distributions are from the first row's: mean KL with its interval, and p99. */
import { rowsOf } from "../../analysis/cells.ts";
import type { Quantity, Table } from "../../analysis/finding.ts";
import { divergencesOf, type RowDivergence } from "../../analysis/row-answers.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, logAxis, plainQuantity, rowScale, type Spec } from "./chart.ts";

/** Millinats per token. */
interface Point {
  readonly row: string;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly p99: number;
  /** Percent of tokens with the same most likely token. */
  readonly top: number;
  readonly evidence: readonly string[];
}

export const divergence: Chart = {
  id: "divergence",
  figure(run) {
    // The reference differs from itself by nothing, and a logarithmic axis has no zero.
    const points = divergencesOf(run)
      .map(pointOf)
      .filter(({ mean, row }) => mean > 0 && row !== rowsOf(run)[0]);
    if (points.length === 0) return undefined;
    return {
      id: "divergence",
      title: `Divergence from ${rowsOf(run)[0]} (KL)`,
      caption: `Marks: mean KL divergence of the next-token distributions on the same text, lines: its 95 % interval, ticks: p99; further left is better, the axis is logarithmic. It sees losses that few questions cannot. ${points.map(sentence).join(" ")}`,
      spec: (width) => specOf(run, points, width),
      data: dataOf(points),
    };
  },
};

function pointOf({ label, figures, evidence }: RowDivergence): Point {
  const { klMean, klP99, topAgreement } = figures;
  const { value, low = value, high = value } = klMean;
  return {
    row: label,
    mean: 1e3 * value,
    low: 1e3 * Math.max(low, value / 10),
    high: 1e3 * high,
    p99: 1e3 * klP99.value,
    top: 100 * topAgreement.value,
    evidence,
  };
}

function sentence({ row, mean, top }: Point): string {
  return `${row}: ${asText(mean)} millinats a token, the same most likely token at ${asText(top)} %.`;
}

function specOf(run: Run, points: readonly Point[], width: number): Spec {
  const y = {
    field: "row",
    type: "nominal",
    sort: null,
    title: null,
    axis: { labelFontSize: 13, ticks: false, domain: false },
  };
  const values = points.flatMap(({ low, high, p99 }) => [low, high, p99]);
  const x = { field: "mean", ...logAxis(values, "millinats a token") };
  const { color, shape } = rowScale(rowsOf(run), points);
  const plain = { ...color, legend: null };
  return {
    width,
    height: { step: 40 },
    data: { values: points },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 3 },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y, color: plain },
      },
      {
        mark: { type: "tick", thickness: 2.5, size: 18 },
        encoding: { x: { ...x, field: "p99" }, y, color: plain },
      },
      {
        mark: { type: "point", filled: true, size: 120, opacity: 1 },
        encoding: { x, y, color: plain, shape: { ...shape, legend: null } },
      },
    ],
  };
}

function dataOf(points: readonly Point[]): Table {
  return {
    title: "Divergence",
    columns: [
      { id: "row", title: "format", unit: "" },
      { id: "mean", title: "KL mean", unit: "millinats" },
      { id: "p99", title: "KL p99", unit: "millinats" },
      { id: "top", title: "same top token", unit: "%" },
    ],
    rows: points.map(({ row, mean, low, high, p99, top, evidence }) => {
      const klMean: Quantity = { ...plainQuantity(mean, "millinats", evidence), low, high };
      return {
        row,
        mean: klMean,
        p99: plainQuantity(p99, "millinats", evidence),
        top: plainQuantity(top, "%", evidence),
      };
    }),
  };
}
