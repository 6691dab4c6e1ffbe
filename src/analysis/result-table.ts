/** The result table: one row a format, the figures that decide between them. */
import { figureDefinitions } from "../results/figures.ts";
import type { Run } from "../results/run.ts";
import { trafficOf } from "../roofline/traffic.ts";
import {
  ceilingsOf,
  evidenceOf,
  type FigurePlace,
  figureOf,
  lengthsOf,
  quantity,
  rowsOf,
  settingsOf,
  settingTitle,
  timedRowsOf,
} from "./cells.ts";
import { accuracyComparisons, accuracyFigure } from "./row-accuracy.ts";
import { referenceAnswers } from "./row-answers.ts";
import { verdictText } from "./row-answers-text.ts";
import { crossoverText } from "./crossover-text.ts";
import { crossoverEvidence, type RowCrossover } from "./crossovers.ts";
import { manifestPath, type Quantity, type Table, type TableValue } from "./finding.ts";

interface Column {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly value: (label: string) => TableValue;
}

const alone: FigurePlace = {
  experiment: "latency",
  setting: "batch-1",
  figure: "msPerTokenMedian",
};

export function resultTable(run: Run, crossovers: readonly RowCrossover[]): Table {
  const columns = [
    ...memoryColumns(run),
    ...decodeColumns(run),
    ...throughputColumns(run),
    ...servingColumns(run),
    crossoverColumn(run, crossovers),
    accuracyColumn(run),
    ...lossColumns(run),
  ];
  return {
    title: "Result by format",
    columns: [
      { id: "format", title: "format", unit: "" },
      ...columns.map(({ id, title, unit }) => ({ id, title, unit })),
    ],
    rows: shownRows(run).map((label) => ({
      format: label,
      ...Object.fromEntries(columns.map(({ id, value }) => [id, value(label)])),
    })),
  };
}

/** Rows that stand for their answers alone are in the table of answers. */
function shownRows(run: Run): string[] {
  const timed = timedRowsOf(run);
  return timed.length === 0 ? rowsOf(run) : timed;
}

/** A column that shows one stored figure. */
function figureColumn(
  run: Run,
  place: FigurePlace,
  title: string,
  id: string,
  unit = figureDefinitions[place.figure]?.unit ?? "",
  per = 1,
): Column {
  const value = (label: string): TableValue => {
    const found = figureOf(run, label, place);
    return found === undefined
      ? missingReason(run, label, place)
      : quantity(found, unit, per, undefined, evidenceOf(run, label, place));
  };
  return { id, title, unit, value };
}

/** Why a place is empty: failed or skipped; undefined when it was not planned. */
function missingReason(run: Run, label: string, place: FigurePlace): string | undefined {
  const cell = run.results.find(
    ({ quantlab: { key } }) =>
      key.format === label && key.experiment === place.experiment && key.setting === place.setting,
  );
  return cell === undefined || cell.quantlab.status === "done" ? undefined : cell.quantlab.status;
}

function memoryColumns(run: Run): Column[] {
  const place = (figure: string) => ({ experiment: "memory", setting: "loaded", figure });
  return [
    figureColumn(run, place("weightBytes"), "weights", "weightBytes", "GB", 1e9),
    {
      id: "bitsPerWeight",
      title: "bits/weight",
      unit: "bit",
      value: (label) => {
        const measured = figureOf(run, label, place("linearBitsPerWeight"));
        const known = run.manifest.traffic?.[label]?.weights.linearBitsPerWeight;
        if (measured !== undefined) {
          const evidence = evidenceOf(run, label, place("linearBitsPerWeight"));
          return quantity(measured, "bit", 1, undefined, evidence);
        }
        return known === undefined
          ? undefined
          : quantity({ value: known, n: 1, low: undefined, high: undefined }, "bit", 1, undefined, [
              manifestPath,
            ]);
      },
    },
  ];
}

function decodeColumns(run: Run): Column[] {
  return [
    figureColumn(run, alone, "ms/token, batch 1", "msPerToken"),
    {
      id: "bandwidth",
      title: "read, batch 1",
      unit: "GB/s",
      value: (label) => achievedBandwidth(run, label),
    },
  ];
}

/** Bytes of a decode step over its measured time, held against the read bandwidth. */
export function achievedBandwidth(run: Run, label: string): Quantity | undefined {
  const stored = figureOf(run, label, { ...alone, figure: "achievedBytesPerSecond" });
  const found = stored ?? derivedBandwidth(run, label);
  if (found === undefined) return undefined;
  const ceilings = ceilingsOf(run);
  const ceiling =
    ceilings === undefined
      ? undefined
      : {
          label: "read bandwidth",
          value: ceilings.bytesPerSecond / 1e9,
          fraction: found.value / ceilings.bytesPerSecond,
        };
  return quantity(found, "GB/s", 1e9, ceiling, evidenceOf(run, label, alone));
}

function derivedBandwidth(run: Run, label: string) {
  const ms = figureOf(run, label, alone);
  const model = run.manifest.traffic?.[label];
  const lengths = lengthsOf(run, "latency");
  if (!ms || ms.value <= 0 || !model || !lengths) return undefined;
  const contextLength = Math.round(lengths.inputLen + lengths.outputLen / 2);
  const { bytes } = trafficOf(model, { batch: 1, contextLength, newTokensPerSequence: 1 });
  // A shorter time is a higher rate: the ends of the interval change places.
  const rate = (time: number | undefined) => (time ? bytes / (time / 1e3) : undefined);
  return { value: bytes / (ms.value / 1e3), n: ms.n, low: rate(ms.high), high: rate(ms.low) };
}

function throughputColumns(run: Run): Column[] {
  return settingsOf(run, "throughput").map((setting) => {
    const figure = setting.startsWith("batch-")
      ? "outputTokensPerSecond"
      : "offlineTokensPerSecond";
    const title = settingTitle(setting);
    return figureColumn(
      run,
      { experiment: "throughput", setting, figure },
      title,
      setting,
      "tok/s",
    );
  });
}

/** The lowest and the highest rate; the ones between are in the figures. */
function servingColumns(run: Run): Column[] {
  const rates = settingsOf(run, "serving");
  const shown = [...new Set([rates[0], rates.at(-1)])].filter((rate) => rate !== undefined);
  return shown.flatMap((setting) =>
    (["ttft", "itl"] as const).map((metric) =>
      figureColumn(
        run,
        { experiment: "serving", setting, figure: `${metric}MsMedian` },
        `${metric.toUpperCase()}, ${settingTitle(setting)}`,
        `${metric}-${setting}`,
      ),
    ),
  );
}

function crossoverColumn(run: Run, crossovers: readonly RowCrossover[]): Column {
  const [reference] = rowsOf(run);
  return {
    id: "crossover",
    title: `crossover with ${reference ?? "the first row"}`,
    unit: "batch",
    value: (label) => {
      if (label === reference) return "reference";
      const found = crossovers.find(
        (crossover) =>
          crossover.label === label &&
          crossover.reference === reference &&
          crossover.metric === "throughput",
      );
      const text = found === undefined ? undefined : crossoverText(found);
      return found === undefined || text === undefined
        ? undefined
        : { text, evidence: crossoverEvidence(run, found) };
    },
  };
}

function accuracyColumn(run: Run): Column {
  const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
  return {
    id: "accuracy",
    title: "exact match",
    unit: "%",
    value: (label) => {
      const found = accuracyFigure(run, label);
      return found === undefined
        ? "not measured"
        : {
            ...quantity(found, "%", 0.01, undefined, evidenceOf(run, label, place)),
            of: found.low === undefined ? "run" : "questions",
          };
    },
  };
}

/** The paired verdict against the first row, where there is one. */
function lossColumns(run: Run): Column[] {
  const comparisons = accuracyComparisons(run);
  const reference = referenceAnswers(run);
  if (comparisons.length === 0) return [];
  const column: Column = {
    id: "loss",
    title: `loss against ${rowsOf(run)[0] ?? "the first row"}`,
    unit: "points",
    value: (label) => {
      if (label === reference?.label) return "reference";
      const found = comparisons.find((comparison) => comparison.label === label);
      const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
      return found === undefined
        ? undefined
        : { text: verdictText(found), evidence: evidenceOf(run, label, place) };
    },
  };
  return [column];
}
