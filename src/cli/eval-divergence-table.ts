/** What `eval divergence` prints: one row a format, every figure with its interval. */
import type { DivergenceSummary } from "../analysis/divergence.ts";
import type { Interval } from "../analysis/interval.ts";
import { significant } from "../base/units.ts";
import { defaultHeadFormat } from "../formats/head.ts";
import type { ModelRow } from "./eval-rows.ts";
import { renderTable } from "./table.ts";

/** One format held against the reference. */
export interface DivergenceRow {
  readonly row: ModelRow;
  readonly linearBitsPerWeight: number;
  readonly summary: DivergenceSummary;
}

export interface DivergenceFacts {
  readonly model: string;
  readonly trained: boolean;
  readonly textPath: string;
  readonly window: number;
  /** Of the rows; the reference has a BF16 cache. */
  readonly kvCacheDtype: string;
  readonly lmHead: string;
}

function withInterval({ value, low, high }: Interval, per = 1): string {
  const text = (x: number) => significant(x * per, 3);
  return low === undefined || high === undefined
    ? text(value)
    : `${text(value)} (${text(low)} to ${text(high)})`;
}

export function renderDivergence(
  facts: DivergenceFacts,
  reference: string,
  rows: readonly DivergenceRow[],
): string {
  const [first] = rows;
  if (first === undefined) return "";
  const { tokens, windows, referencePerplexity } = first.summary;
  const lines = [
    `${facts.model}${facts.trained ? "" : " (not trained: the figures mean nothing)"}, ${tokens} tokens in ${windows} windows of ${facts.window}${facts.kvCacheDtype === "bf16" ? "" : `; rows with a KV cache in ${facts.kvCacheDtype}`}${facts.lmHead === defaultHeadFormat ? "" : `; rows with an output head in ${facts.lmHead}`}`,
    `perplexity of ${reference}: ${withInterval(referencePerplexity)}`,
  ];
  const table = renderTable({
    title: `Divergence from ${reference}; 95 % intervals by block bootstrap over windows`,
    header: ["figure", ...rows.map(({ row }) => row.label)],
    rows: figures.map(({ title, text }) => [title, ...rows.map((row) => text(row))]),
  });
  return `${lines.join("\n")}\n${table}`;
}

const figures: readonly {
  readonly title: string;
  readonly text: (row: DivergenceRow) => string;
}[] = [
  { title: "bits per weight", text: (row) => significant(row.linearBitsPerWeight, 4) },
  { title: "perplexity", text: ({ summary }) => withInterval(summary.perplexity) },
  { title: "perplexity ratio", text: ({ summary }) => withInterval(summary.perplexityRatio) },
  { title: "KL mean, millinats", text: ({ summary }) => withInterval(summary.klMean, 1e3) },
  { title: "KL median, millinats", text: ({ summary }) => withInterval(summary.klMedian, 1e3) },
  { title: "KL p99, millinats", text: ({ summary }) => withInterval(summary.klP99, 1e3) },
  {
    title: "KL max, millinats",
    text: ({ summary }) => significant(1e3 * summary.klMax, 3),
  },
  { title: "same top token, %", text: ({ summary }) => withInterval(summary.topAgreement, 100) },
  {
    title: "p(right token), points",
    text: ({ summary }) => withInterval(summary.probabilityChange, 100),
  },
  {
    title: "its RMS, points",
    text: ({ summary }) => withInterval(summary.probabilityChangeRms, 100),
  },
];
