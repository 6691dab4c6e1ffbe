/** GSM8K accuracy with its interval, and accuracy against speed: what a gain in time costs. */
import { evidenceOf, figureOf, rowsOf } from "../../analysis/cells.ts";
import type { Table } from "../../analysis/finding.ts";
import { accuracyFigure } from "../../analysis/row-accuracy.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, plainQuantity, rowScale, type Spec } from "./chart.ts";

interface Point {
  readonly row: string;
  /** Percent of the questions. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
  readonly evidence: readonly string[];
}

const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
const speed = { experiment: "latency", setting: "batch-1", figure: "outputTokensPerSecond" };

function pointsOf(run: Run): Point[] {
  return rowsOf(run).flatMap((row) => {
    const found = accuracyFigure(run, row);
    if (found === undefined) return [];
    const { value, n, low = value, high = value } = found;
    const evidence = evidenceOf(run, row, place);
    return [{ row, value: 100 * value, low: 100 * low, high: 100 * high, n, evidence }];
  });
}

const percentAxis = (points: readonly Point[]) => {
  const values = points.flatMap(({ low, high }) => [low, high]);
  return {
    scale: {
      domain: [Math.max(0, Math.min(...values) - 4), Math.min(100, Math.max(...values) + 4)],
      nice: false,
    },
    axis: { title: "GSM8K, % right", tickCount: 6 },
  };
};

export const accuracy: Chart = {
  id: "accuracy",
  figure(run) {
    const points = pointsOf(run);
    if (points.length === 0) return undefined;
    return {
      id: "accuracy",
      title: "Accuracy on GSM8K",
      caption: `Marks: share of right answers; lines: 95 % interval of that share. Rows answer the same questions, so a difference can be real although the lines overlap. ${points.map(({ row, value, n }) => `${row}: ${asText(value)} % of ${n}.`).join(" ")}`,
      spec: (width) => accuracySpec(rowsOf(run), points, width),
      data: dataOf(points),
    };
  },
};

function accuracySpec(rows: readonly string[], points: readonly Point[], width: number): Spec {
  const y = {
    field: "row",
    type: "nominal",
    sort: null,
    title: null,
    axis: { labelFontSize: 13, ticks: false, domain: false },
  };
  const x = { field: "value", type: "quantitative", ...percentAxis(points) };
  const { color, shape } = rowScale(rows, points);
  return {
    width,
    height: { step: 40 },
    data: { values: points },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 3 },
        encoding: {
          x: { ...x, field: "low" },
          x2: { field: "high" },
          y,
          color: { ...color, legend: null },
        },
      },
      {
        mark: { type: "point", filled: true, size: 120, opacity: 1 },
        encoding: {
          x,
          y,
          color: { ...color, legend: null },
          shape: { ...shape, legend: null },
        },
      },
    ],
  };
}

/** Upper right is better; a row below and left of another has nothing for it. */
export const pareto: Chart = {
  id: "pareto",
  figure(run) {
    const points = pointsOf(run).flatMap((point) => {
      const rate = figureOf(run, point.row, speed)?.value;
      return rate === undefined ? [] : [{ ...point, rate }];
    });
    if (points.length < 2) return undefined;
    const beaten = points.filter((a) =>
      points.some((b) => b.rate > a.rate && b.value >= a.value && b !== a),
    );
    const names = beaten.map(({ row }) => row).join(", ");
    return {
      id: "pareto",
      title: "Accuracy against speed",
      caption: `Decode of one user in tokens per second against accuracy with its 95 % interval; up and to the right is better. ${beaten.length === 0 ? "No row is beaten in both." : `Slower than another row that is at least as accurate: ${names}.`}`,
      spec: (width) => paretoSpec(rowsOf(run), points, width),
      data: {
        title: "Accuracy against speed",
        columns: [
          { id: "row", title: "format", unit: "" },
          { id: "rate", title: "batch 1", unit: "tok/s" },
          { id: "accuracy", title: "GSM8K", unit: "%" },
        ],
        rows: points.map(({ row, rate, value, evidence }) => ({
          row,
          rate: plainQuantity(rate, "tok/s", evidenceOf(run, row, speed)),
          accuracy: plainQuantity(value, "%", evidence),
        })),
      },
    };
  },
};

function paretoSpec(
  rows: readonly string[],
  points: readonly (Point & { readonly rate: number })[],
  width: number,
): Spec {
  const most = Math.max(...points.map(({ rate }) => rate));
  const x = {
    field: "rate",
    type: "quantitative",
    scale: { domain: [0, 1.1 * most], nice: false },
    axis: { title: "tokens per second, batch 1", tickCount: 5 },
  };
  const y = { field: "value", type: "quantitative", ...percentAxis(points) };
  const { color, shape } = rowScale(rows, points);
  return {
    width,
    height: 240,
    data: { values: points },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      {
        mark: { type: "point", filled: true, size: 130, opacity: 1 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

function dataOf(points: readonly Point[]): Table {
  return {
    title: "Accuracy on GSM8K",
    columns: [
      { id: "row", title: "format", unit: "" },
      { id: "accuracy", title: "right", unit: "%" },
      { id: "n", title: "questions", unit: "" },
    ],
    rows: points.map(({ row, value, low, high, n, evidence }) => ({
      row,
      accuracy: { ...plainQuantity(value, "%", evidence), low, high },
      n: { text: String(n), evidence },
    })),
  };
}
