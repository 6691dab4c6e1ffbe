/** Time per token at batch 1 beside the least time in which its bytes can be read. */
import type { BoundCell } from "../../analysis/bound.ts";
import { ceilingsOf, rowsOf } from "../../analysis/cells.ts";
import { manifestPath, type Table } from "../../analysis/finding.ts";
import { asPercent, asText } from "../../analysis/wording.ts";
import { type Chart, plainQuantity, rowScale, type Spec } from "./chart.ts";

export const latency: Chart = {
  id: "latency",
  figure(run, { bounds }) {
    const cells = bounds.filter(({ experiment }) => experiment === "latency");
    const ceilings = ceilingsOf(run);
    if (cells.length === 0 || ceilings === undefined) return undefined;
    const bandwidth = `${asText(ceilings.bytesPerSecond / 1e9)} GB/s`;
    return {
      id: "latency",
      title: "Time per token at batch 1, against its floor",
      caption: `Bars: measured. Dark ticks: the floor, the bytes of a step at ${bandwidth}. ${cells.map(sentence).join(" ")}`,
      spec: (width) => specOf(rowsOf(run), cells, width),
      data: dataOf(cells),
    };
  },
};

function sentence({ label, memoryFraction }: BoundCell): string {
  return `${label} reaches ${asPercent(memoryFraction)} of the bandwidth.`;
}

function specOf(rows: readonly string[], cells: readonly BoundCell[], width: number): Spec {
  const values = cells.map(({ label, measuredMs, floor, memoryFraction }) => ({
    row: label,
    ms: measuredMs.value,
    floor: floor.memoryMs,
    text: `${asText(measuredMs.value)} ms, ${asPercent(memoryFraction)}`,
  }));
  const longest = Math.max(...values.map(({ ms, floor }) => Math.max(ms, floor)));
  const y = {
    field: "row",
    type: "nominal",
    sort: null,
    title: null,
    axis: { labelFontSize: 13, ticks: false, domain: false },
  };
  // Room to the right for the text: about 110 pixels whatever the width.
  const domain = [0, longest * (width / Math.max(60, width - 120))];
  const x = {
    field: "ms",
    type: "quantitative",
    scale: { domain, nice: false },
    axis: { title: "milliseconds per token", tickCount: 5 },
  };
  const { color } = rowScale(rows, values);
  return {
    width,
    height: { step: 44 },
    data: { values },
    layer: [
      {
        mark: { type: "bar", height: 22 },
        encoding: { x, y, color: { ...color, legend: null } },
      },
      {
        mark: { type: "tick", thickness: 3, size: 34, color: "currentColor" },
        encoding: { x: { ...x, field: "floor" }, y },
      },
      {
        mark: { type: "text", align: "left", dx: 6, fontSize: 12, color: "currentColor" },
        encoding: { x, y, text: { field: "text", type: "nominal" } },
      },
    ],
  };
}

function dataOf(cells: readonly BoundCell[]): Table {
  return {
    title: "Time per token at batch 1",
    columns: [
      { id: "row", title: "format", unit: "" },
      { id: "measured", title: "measured", unit: "ms" },
      { id: "floor", title: "floor", unit: "ms" },
      { id: "bytes", title: "read for a token", unit: "GB" },
      { id: "share", title: "of the bandwidth", unit: "" },
    ],
    rows: cells.map(({ label, measuredMs, floor, stepBytes, memoryFraction, evidence }) => ({
      row: label,
      measured: plainQuantity(measuredMs.value, "ms", evidence),
      floor: plainQuantity(floor.memoryMs, "ms", [manifestPath]),
      bytes: plainQuantity(stepBytes / 1e9, "GB", [manifestPath]),
      share: { text: asPercent(memoryFraction), evidence },
    })),
  };
}
