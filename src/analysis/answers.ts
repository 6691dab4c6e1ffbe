/** The three questions of the lab, answered from a run's own figures. */
import type { Run } from "../results/run.ts";
import { peakFlops } from "../roofline/predict.ts";
import { trafficOf } from "../roofline/traffic.ts";
import {
  ceilingsOf,
  evidenceOf,
  type FigurePlace,
  figureOf,
  formatOf,
  lengthsOf,
  rowsOf,
  settingsOf,
  settingTitle,
} from "./cells.ts";
import { rowRatio } from "./compare.ts";
import { manifestPath, type Statement } from "./finding.ts";
import { bandText, crossoverText, predictedText } from "./crossover-text.ts";
import { crossoverEvidence, type RowCrossover } from "./crossovers.ts";
import { accuracyComparisons } from "./row-accuracy.ts";
import { asPercent, asRatio, asText } from "./wording.ts";

export interface Answer {
  readonly id: "q1" | "q2" | "q3";
  readonly question: string;
  readonly sentences: readonly Statement[];
}

const alone: FigurePlace = {
  experiment: "latency",
  setting: "batch-1",
  figure: "msPerTokenMedian",
};

export function answersOf(run: Run, crossovers: readonly RowCrossover[]): Answer[] {
  const [reference] = rowsOf(run);
  if (reference === undefined || rowsOf(run).length < 2) return [];
  const of = (format: string) => rowsOf(run).filter((label) => formatOf(run, label) === format);
  const wide = of("fp8");
  const narrow = of("awq");
  const others = rowsOf(run).slice(1);
  return [
    {
      id: "q1",
      question: `How much does FP8 gain over ${reference} on this device, against what its bandwidth and its FP8 units allow?`,
      sentences:
        wide.length === 0
          ? [said("No FP8 row was run.")]
          : wide.flatMap((row) => gains(run, row, reference)),
    },
    {
      id: "q2",
      question:
        "How much does AWQ-INT4 gain at batch 1, where does the gain vanish, and what does its memory buy?",
      sentences:
        narrow.length === 0
          ? [said("No AWQ row was run.")]
          : narrow.flatMap((row) => [
              ...gains(run, row, reference),
              ...vanishes(run, row, crossovers),
              ...bought(run, row, reference),
            ]),
    },
    {
      id: "q3",
      question: "When should one not quantize here?",
      sentences: [
        ...accuracyLost(run, others, reference),
        ...fitsAnyway(run, reference),
        ...largeBatch(run, others, reference),
      ],
    },
  ];
}

function said(text: string, evidence: readonly string[] = []): Statement {
  return { text, evidence };
}

function evidenceFor(run: Run, rows: readonly string[], place: FigurePlace): string[] {
  return rows.flatMap((row) => evidenceOf(run, row, place));
}

/** Measured gain at batch 1 and at the largest batch, each beside what the device allows. */
function gains(run: Run, row: string, reference: string): Statement[] {
  const ratio = rowRatio(run, row, reference, alone);
  const ideal = idealGain(run, row, reference);
  const first =
    ratio === undefined
      ? [said(`${row}: time per token at batch 1 was not measured for both rows.`)]
      : [
          said(
            `${row} decodes ${asRatio(ratio)} as fast as ${reference} at batch 1${ideal === undefined ? "" : `; the bytes of a step allow ${asText(ideal)}x, so it has ${asPercent(shareOfGain(ratio.value, ideal))} of that gain`}.`,
            evidenceFor(run, [row, reference], alone),
          ),
        ];
  return [...first, ...gainAtLargest(run, row, reference)];
}

function shareOfGain(measured: number, ideal: number): number {
  return ideal <= 1 ? 1 : (measured - 1) / (ideal - 1);
}

function idealGain(run: Run, row: string, reference: string): number | undefined {
  const [own, base] = [run.manifest.traffic?.[row], run.manifest.traffic?.[reference]];
  const lengths = lengthsOf(run, "latency");
  if (own === undefined || base === undefined || lengths === undefined) return undefined;
  const step = {
    batch: 1,
    contextLength: Math.round(lengths.inputLen + lengths.outputLen / 2),
    newTokensPerSequence: 1,
  };
  return trafficOf(base, step).bytes / trafficOf(own, step).bytes;
}

const weights: FigurePlace = {
  experiment: "memory",
  setting: "loaded",
  figure: "weightBytes",
};
const exactMatch: FigurePlace = {
  experiment: "accuracy",
  setting: "gsm8k",
  figure: "accuracy",
};

function largestPlace(run: Run): FigurePlace | undefined {
  const setting = settingsOf(run, "throughput").at(-1);
  if (setting === undefined) return undefined;
  const figure = setting.startsWith("batch-") ? "outputTokensPerSecond" : "offlineTokensPerSecond";
  return { experiment: "throughput", setting, figure };
}

function gainAtLargest(run: Run, row: string, reference: string): Statement[] {
  const place = largestPlace(run);
  const ratio = place === undefined ? undefined : rowRatio(run, reference, row, place);
  const [own, ceilings] = [run.manifest.traffic?.[row], ceilingsOf(run)];
  if (place === undefined || ratio === undefined || own === undefined || ceilings === undefined) {
    return [];
  }
  const units = peakFlops(ceilings, own.operands) / ceilings.flopsPerSecond.bf16;
  const allowed =
    units > 1
      ? `where arithmetic bounds, its units allow ${asText(units)}x (dense)`
      : "where arithmetic bounds, this device allows 1x: it does 16-bit arithmetic whatever the weights are stored in";
  return [
    said(
      `At ${settingTitle(place.setting)} it gives ${asRatio(ratio)} the tokens per second of ${reference}; ${allowed}.`,
      evidenceFor(run, [row, reference], place),
    ),
  ];
}

function vanishes(run: Run, row: string, crossovers: readonly RowCrossover[]): Statement[] {
  const found = crossovers.find(({ label, metric }) => label === row && metric === "throughput");
  if (found === undefined) return [];
  const measured = crossoverText(found);
  const predicted = predictedText(found.predicted);
  const seen =
    measured === undefined
      ? "Where its gain vanishes was not measured: it takes throughput cells at several batch sizes."
      : `Its crossover with ${found.reference} by output tokens per second: ${measured}.`;
  const cells = crossoverEvidence(run, found);
  const evidence = cells.length > 0 ? cells : [manifestPath];
  return predicted === undefined
    ? [said(seen, evidence)]
    : [said(`${seen} Predicted: ${predicted} (band ${bandText(found)}).`, evidence)];
}

/** Saved bytes as context, as replicas, and as a larger model. */
function bought(run: Run, row: string, reference: string): Statement[] {
  const size = (label: string) => run.manifest.traffic?.[label]?.weights.totalBytes;
  const [own, base, kv] = [
    size(row),
    size(reference),
    run.manifest.traffic?.[row]?.kvBytesPerToken,
  ];
  if (own === undefined || base === undefined || kv === undefined) return [];
  return [
    said(
      `Its weights take ${asText(own / 1e9)} GB instead of ${asText(base / 1e9)} GB, ${asText(base / own)} times less. That buys ${asText((base - own) / kv)} more cached tokens, or ${Math.max(1, Math.floor(base / own))} ${base / own >= 2 ? "replicas" : "replica"} in the room of one, or a model with ${asText(base / own)} times the parameters.`,
      [...evidenceFor(run, [row, reference], weights), manifestPath],
    ),
  ];
}

function accuracyLost(run: Run, rows: readonly string[], reference: string): Statement[] {
  const compared = accuracyComparisons(run);
  if (compared.length === 0) {
    const cell = run.results.find(({ quantlab }) => quantlab.key.experiment === "accuracy");
    const why =
      cell?.quantlab.reason?.replace(/^not measured: /, "") ?? "this run has no accuracy cell";
    return [said(`If accuracy is lost: that was not measured here (${why}).`)];
  }
  const real = compared.filter(({ differs, difference }) => differs && difference.value < 0);
  if (real.length > 0) {
    return real.map(({ label, difference }) =>
      said(
        `Not to ${label} where ${asText(-100 * difference.value)} points of accuracy matter: the loss is real.`,
        evidenceFor(run, [label, reference], exactMatch),
      ),
    );
  }
  const hidden = Math.max(...compared.map(({ hiddenLoss }) => hiddenLoss));
  return [
    said(
      `No loss against ${reference} was seen in ${rows.join(" or ")}, but one of up to ${asText(100 * hidden)} points could have hidden: where that matters, ask more questions first.`,
      evidenceFor(run, [...rows, reference], exactMatch),
    ),
  ];
}

function fitsAnyway(run: Run, reference: string): Statement[] {
  const { machine } = run.manifest;
  const base = run.manifest.traffic?.[reference]?.weights.totalBytes;
  if (base === undefined || machine.memoryBytes <= 0) return [];
  const share = base / machine.memoryBytes;
  return [
    said(
      `Memory is ${share < 0.25 ? "no reason here" : "a reason here"}: ${reference} takes ${asPercent(share)} of ${asText(machine.memoryBytes / 1e9)} GB.`,
      [manifestPath],
    ),
  ];
}

/** Rows that no longer gain at the largest batch. */
function largeBatch(run: Run, rows: readonly string[], reference: string): Statement[] {
  const place = largestPlace(run);
  if (place === undefined) return [];
  const judged = rows.flatMap((row) => {
    const ratio = rowRatio(run, reference, row, place);
    return ratio === undefined ? [] : [{ row, ratio }];
  });
  const useless = judged.filter(({ ratio }) => (ratio.low ?? ratio.value) < 1.05);
  if (judged.length === 0) return [];
  if (useless.length === 0) {
    return [
      said(
        `Large batches are no reason: at ${settingTitle(place.setting)} every row still gains.`,
        evidenceFor(run, rows, place),
      ),
    ];
  }
  return useless.map(({ row, ratio }) =>
    said(
      `Not to ${row} for traffic that fills ${settingTitle(place.setting)}: there it gives ${asRatio(ratio)} the tokens per second of ${reference}${(figureOf(run, row, place)?.n ?? 1) < 2 ? " (one run)" : ""}.`,
      evidenceFor(run, [row, reference], place),
    ),
  );
}
