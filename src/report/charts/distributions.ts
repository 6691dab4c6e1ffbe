/** TTFT, ITL and TPOT by request rate: the share of requests within a time, or median and p99 alone. */
import { rowsOf, settingsOf, settingTitle } from "../../analysis/cells.ts";
import type { Table } from "../../analysis/finding.ts";
import { sortedQuantile } from "../../analysis/interval.ts";
import { asText } from "../../analysis/wording.ts";
import { itlGapsMs, tpotMs, ttftMs } from "../../metrics/latency.ts";
import type { RecordedTimes } from "../../results/records.ts";
import { cellPath, type Run } from "../../results/run.ts";
import {
  type Chart,
  logAxis,
  plainQuantity,
  type Records,
  rowScale,
  type Spec,
  when,
} from "./chart.ts";

interface Metric {
  readonly id: "ttft" | "itl" | "tpot";
  readonly name: string;
  readonly meaning: string;
  /** What one line of the curve counts. */
  readonly of: string;
  readonly values: (record: RecordedTimes) => readonly number[];
}

const metrics: readonly Metric[] = [
  {
    id: "ttft",
    name: "Time to first token (TTFT)",
    meaning: "How long a user waits for the first token.",
    of: "requests",
    values: (record) => [ttftMs(asRecord(record)) ?? 0],
  },
  {
    id: "itl",
    name: "Inter-token latency (ITL)",
    meaning: "The time between two tokens of a stream; long gaps are felt as stutter.",
    of: "gaps",
    values: (record) => itlGapsMs(asRecord(record)),
  },
  {
    id: "tpot",
    name: "Time per output token (TPOT)",
    meaning: "The mean time per token of one request after its first.",
    of: "requests",
    values: (record) => [tpotMs(asRecord(record)) ?? 0],
  },
];

/** The latency formulas read times alone. */
function asRecord(record: RecordedTimes) {
  return {
    ...record,
    firstByteMs: undefined,
    promptTokens: 0,
    outputTokensSource: "chunks" as const,
    requestedOutputTokens: record.outputTokens,
    finishReason: undefined,
    error: undefined,
  };
}

/** Sorted values of one row at one rate, all repeats together. */
interface Sample {
  readonly row: string;
  readonly rate: string;
  readonly sorted: readonly number[];
  readonly evidence: readonly string[];
}

export const distributions: readonly Chart[] = metrics.map((metric) => ({
  id: metric.id,
  figure(run, _analysis, records) {
    const rates = settingsOf(run, "serving").map(settingTitle);
    const samples = samplesOf(run, records, metric);
    if (samples.length === 0) return undefined;
    return {
      id: metric.id,
      title: `${metric.name} by request rate`,
      caption: `${metric.meaning} Each curve rises to the share of ${metric.of} within a time; further left is better. The axis is logarithmic and holds 98 in 100. ${captionOf(samples, rates)}`,
      spec: (width) => specOf(rowsOf(run), rates, samples, metric, width),
      data: dataOf(samples, metric),
    };
  },
}));

function samplesOf(run: Run, records: Records, metric: Metric): Sample[] {
  return settingsOf(run, "serving").flatMap((setting) =>
    rowsOf(run).flatMap((row) => {
      const paths = run.results
        .map(({ quantlab }) => quantlab.key)
        .filter((k) => k.format === row && k.experiment === "serving" && k.setting === setting)
        .map(cellPath);
      const values = paths.flatMap((path) => (records.get(path) ?? []).flatMap(metric.values));
      const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
      return sorted.length < 2
        ? []
        : [{ row, rate: settingTitle(setting), sorted, evidence: paths }];
    }),
  );
}

function captionOf(samples: readonly Sample[], rates: readonly string[]): string {
  return rates
    .flatMap((rate) => {
      const here = samples.filter((sample) => sample.rate === rate);
      const best = here.toSorted((a, b) => at(a, 0.5) - at(b, 0.5))[0];
      return best === undefined || here.length < 2
        ? []
        : [`${when(rate)}, ${best.row} has the lowest median, ${asText(at(best, 0.5))} ms.`];
    })
    .join(" ");
}

const at = ({ sorted }: Sample, share: number) => sortedQuantile(sorted, share);

/** Enough steps for a curve of 250 pixels. */
const steps = 60;
/** One gap in a hundred may be next to nothing, or a pause: it does not set the axis. */
const [lowest, highest] = [0.01, 0.99];

function specOf(
  rows: readonly string[],
  rates: readonly string[],
  samples: readonly Sample[],
  metric: Metric,
  width: number,
): Spec {
  const shown = rates.filter((rate) => samples.some((sample) => sample.rate === rate));
  const values = samples.flatMap((sample) =>
    Array.from({ length: steps + 1 }, (_, i) => ({
      row: sample.row,
      rate: sample.rate,
      ms: at(sample, lowest + ((highest - lowest) * i) / steps),
      share: Number((100 * (lowest + ((highest - lowest) * i) / steps)).toFixed(3)),
    })),
  );
  const { color, shape } = rowScale(rows, samples);
  const sideBySide = width >= 400 && shown.length > 1;
  const columns = sideBySide ? shown.length : 1;
  const x = {
    field: "ms",
    ...logAxis(
      samples.flatMap((s) => [at(s, lowest), at(s, highest)]),
      `${metric.id.toUpperCase()} (ms)`,
    ),
  };
  const y = {
    field: "share",
    type: "quantitative",
    scale: { domain: [0, 100] },
    axis: { title: `% of ${metric.of}`, tickCount: 5 },
  };
  return {
    data: { values },
    facet: {
      field: "rate",
      type: "nominal",
      sort: shown,
      title: null,
      header: { labelColor: "currentColor", labelFontSize: 13 },
    },
    columns,
    spec: {
      width: Math.floor((width - 30 * (columns - 1)) / columns),
      height: 190,
      layer: [
        {
          mark: { type: "line", strokeWidth: 2, interpolate: "step-after" },
          encoding: { x, y, color },
        },
        {
          transform: [{ filter: { field: "share", equal: 50 } }],
          mark: { type: "point", filled: true, size: 80, opacity: 1 },
          encoding: { x, y, color, shape },
        },
      ],
    },
  };
}

function dataOf(samples: readonly Sample[], metric: Metric): Table {
  const shares = [0.5, 0.9, 0.95, 0.99] as const;
  return {
    title: metric.name,
    columns: [
      { id: "row", title: "format", unit: "" },
      { id: "rate", title: "rate", unit: "" },
      ...shares.map((share) => ({ id: `p${100 * share}`, title: `p${100 * share}`, unit: "ms" })),
      { id: "n", title: metric.of, unit: "" },
    ],
    rows: samples.map((sample) => ({
      row: sample.row,
      rate: sample.rate,
      ...Object.fromEntries(
        shares.map((share) => [
          `p${100 * share}`,
          plainQuantity(at(sample, share), "ms", sample.evidence),
        ]),
      ),
      n: { text: String(sample.sorted.length), evidence: sample.evidence },
    })),
  };
}
