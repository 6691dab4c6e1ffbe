/** What a server holds in memory, stacked: weights, key-value cache, and everything else. */
import { evidenceOf, figureOf, rowsOf } from "../../analysis/cells.ts";
import type { Table } from "../../analysis/finding.ts";
import { kvCacheDtypeOf } from "../../analysis/servers.ts";
import { asText } from "../../analysis/wording.ts";
import type { Run } from "../../results/run.ts";
import { type Chart, plainQuantity, type Spec } from "./chart.ts";

const parts = ["weights", "KV cache", "other"] as const;

interface Stack {
  readonly row: string;
  /** In GB; a part that is not known is 0 and not drawn. */
  readonly gb: Readonly<Record<(typeof parts)[number], number>>;
  readonly peakGb: number | undefined;
  readonly kvCacheDtype: string | undefined;
  readonly evidence: readonly string[];
}

export const memory: Chart = {
  id: "memory",
  figure(run) {
    const stacks = rowsOf(run).flatMap((row) => stackOf(run, row) ?? []);
    if (stacks.length === 0) return undefined;
    return {
      id: "memory",
      title: "Memory of the server",
      caption: captionOf(stacks),
      spec: (width) => specOf(stacks, width),
      data: dataOf(stacks),
    };
  },
};

function stackOf(run: Run, row: string): Stack | undefined {
  const of = (figure: string) =>
    figureOf(run, row, { experiment: "memory", setting: "loaded", figure })?.value;
  const weights = of("weightBytes");
  if (weights === undefined) return undefined;
  const cache = of("kvCacheBytes") ?? 0;
  const peak = of("peakResidentBytes");
  // The cache's pages count once they are touched: a peak below the sum leaves nothing over.
  const other = peak === undefined ? 0 : Math.max(0, peak - weights - cache);
  const place = { experiment: "memory", setting: "loaded", figure: "weightBytes" };
  return {
    row,
    gb: { weights: weights / 1e9, "KV cache": cache / 1e9, other: other / 1e9 },
    peakGb: peak === undefined ? undefined : peak / 1e9,
    kvCacheDtype: kvCacheDtypeOf(run, row),
    evidence: evidenceOf(run, row, place),
  };
}

function captionOf(stacks: readonly Stack[]): string {
  const sentences = stacks.map(
    ({ row, gb, peakGb, kvCacheDtype }) =>
      `${row}: ${asText(gb.weights)} GB of weights${kvCacheDtype === undefined ? "" : `, KV cache in ${kvCacheDtype}`}${peakGb === undefined ? "" : `, peak ${asText(peakGb)} GB resident`}.`,
  );
  return `Weights as loaded, the cache as reserved (its pages become resident when they are first used), and what is left of the peak. ${sentences.join(" ")}`;
}

function specOf(stacks: readonly Stack[], width: number): Spec {
  const values = stacks.flatMap(({ row, gb }) =>
    parts.map((part, order) => ({ row, part, gb: gb[part], order })),
  );
  return {
    width,
    height: { step: 44 },
    data: { values },
    mark: { type: "bar", height: 24 },
    encoding: {
      y: {
        field: "row",
        type: "nominal",
        sort: null,
        title: null,
        axis: { labelFontSize: 13, ticks: false, domain: false },
      },
      x: { field: "gb", type: "quantitative", axis: { title: "GB", tickCount: 5 } },
      color: {
        field: "part",
        type: "nominal",
        title: null,
        sort: [...parts],
        scale: { domain: [...parts], range: ["#2f80c3", "#a07a1e", "#8a9499"] },
      },
      order: { field: "order", type: "quantitative" },
    },
  };
}

function dataOf(stacks: readonly Stack[]): Table {
  return {
    title: "Memory of the server",
    columns: [
      { id: "row", title: "format", unit: "" },
      ...parts.map((part) => ({ id: part, title: part, unit: "GB" })),
      { id: "peak", title: "peak resident", unit: "GB" },
    ],
    rows: stacks.map(({ row, gb, peakGb, evidence }) => ({
      row,
      ...Object.fromEntries(parts.map((part) => [part, plainQuantity(gb[part], "GB", evidence)])),
      peak: peakGb === undefined ? undefined : plainQuantity(peakGb, "GB", evidence),
    })),
  };
}
