/** Crossovers in words: short for a table, a sentence with its certainty for a finding. */
import type { Run } from "../results/run.ts";
import type { PredictedCrossover } from "../roofline/predict.ts";
import type { MeasuredCrossover } from "./crossover.ts";
import { crossoverEvidence, metricOf, type RowCrossover } from "./crossovers.ts";
import { type Finding, manifestPath, type Table } from "./finding.ts";
import { asPercent, asText } from "./wording.ts";

/** "23 (18 to 31)", "none to 64, always faster". */
export function crossoverText({ measured }: RowCrossover): string | undefined {
  if (measured === undefined) return undefined;
  const { kind, batches, fasterBelow, upTo, low, high } = measured;
  if (kind === "none") {
    const side =
      fasterBelow === undefined ? "equal" : fasterBelow === "a" ? "always faster" : "never faster";
    return `none to ${upTo}, ${side}`;
  }
  if (kind === "many") return `${batches.map((batch) => asText(batch)).join(", ")} (several)`;
  const between =
    low === undefined
      ? ""
      : ` (${asText(low)} to ${high === undefined ? `over ${upTo}` : asText(high)})`;
  return `${asText(batches[0] ?? Number.NaN)}${between}`;
}

/** "35", "equal from 52", "none to 1024". */
export function predictedText(found: PredictedCrossover | undefined): string | undefined {
  if (found === undefined) return undefined;
  if (found.kind === "none") return `none to ${found.upTo}`;
  return found.kind === "meets" ? `equal from ${found.batch}` : String(found.batch);
}

/** "18 to 31"; ends that disagree about who is faster alone include every batch from 1 on. */
export function bandText({
  band,
  predicted,
}: Pick<RowCrossover, "band" | "predicted">): string | undefined {
  if (band === undefined || predicted === undefined) return undefined;
  if (predicted.fasterBelow === undefined) return "throughout";
  const ends = band.map((end) =>
    end.fasterBelow === predicted.fasterBelow ? (end.batch ?? Number.POSITIVE_INFINITY) : 1,
  );
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  if (!Number.isFinite(low)) return `none to ${predicted.upTo}`;
  return `${low} to ${Number.isFinite(high) ? high : `over ${predicted.upTo}`}`;
}

/** Resamples that must agree before a crossover, or its absence, counts as certain. */
const certainFrom = 0.95;

export function isCertain({ support }: MeasuredCrossover): boolean {
  return support !== undefined && support >= certainFrom;
}

export function crossoverFinding(run: Run, crossover: RowCrossover): Finding | undefined {
  const { measured, reference, label } = crossover;
  if (measured === undefined) return undefined;
  const evidence = crossoverEvidence(run, crossover);
  const decided = measured.kind === "none" ? "no" : "yes";
  const id = crossover.metric === "throughput" ? "output-throughput" : crossover.metric;
  return {
    id: `crossover/${id}/${label}/${reference}`,
    claim:
      `${measuredSentence(crossover, measured)} ${certaintySentence(measured)} ${predictedSentence(crossover)}`.trim(),
    verdict: isCertain(measured) ? decided : "undecided",
    numbers: Object.fromEntries(
      measured.batches.map((batch, index) => [
        `batch${index + 1}`,
        {
          value: batch,
          unit: "sequences",
          n: evidence.length,
          of: "cells",
          low: index === 0 ? measured.low : undefined,
          high: index === 0 ? measured.high : undefined,
          ceiling: undefined,
        },
      ]),
    ),
    evidence,
  };
}

function measuredSentence(crossover: RowCrossover, found: MeasuredCrossover): string {
  const { reference, label } = crossover;
  const { title, verb } = metricOf(crossover);
  const { fasterBelow, from, upTo, batches } = found;
  if (fasterBelow === undefined) {
    return `${label} and ${reference} are equal in ${title} at every batch size.`;
  }
  const [fast, slow] = fasterBelow === "a" ? [label, reference] : [reference, label];
  if (found.kind === "none") {
    return `No crossover from batch ${from} to ${upTo}: ${fast} ${verb} than ${slow} throughout.`;
  }
  const at = asText(batches[0] ?? Number.NaN);
  if (found.kind === "one") {
    return `By ${title}, ${fast} is faster than ${slow} up to batch ${at}, ${slow} above.`;
  }
  return `By ${title}, ${label} and ${reference} change places ${batches.length} times (first at batch ${at}, ${fast} being faster before): the curves are within noise of each other.`;
}

function certaintySentence({ support, low, high, upTo, kind }: MeasuredCrossover): string {
  if (support === undefined) return "One run a cell: no interval.";
  const between =
    kind === "none" || low === undefined
      ? ""
      : `95 % interval ${asText(low)} to ${high === undefined ? `beyond ${upTo}` : asText(high)}; `;
  return `${between}${asPercent(support)} of the resampled repeats agree.`.replace(/^./, (c) =>
    c.toUpperCase(),
  );
}

function predictedSentence(crossover: RowCrossover): string {
  const { predicted, reference, label } = crossover;
  if (predicted === undefined) return "";
  const band = bandText(crossover);
  const within = band === undefined ? "" : ` (band ${band})`;
  if (predicted.fasterBelow === undefined) return "The roofline predicts no difference.";
  if (predicted.kind === "none") {
    const fast = predicted.fasterBelow === "b" ? reference : label;
    return `The roofline predicts none up to ${predicted.upTo}, with ${fast} faster${within}.`;
  }
  const verb = predicted.kind === "crosses" ? "a crossing" : "that they become equal";
  return `The roofline predicts ${verb} at batch ${predicted.batch}${within}.`;
}

/** Every pair by every metric: measured with its interval beside predicted with its band. */
export function crossoverTable(run: Run, crossovers: readonly RowCrossover[]): Table {
  return {
    title: "Crossover batch sizes",
    columns: [
      { id: "pair", title: "formats", unit: "" },
      { id: "metric", title: "by", unit: "" },
      { id: "faster", title: "faster alone", unit: "" },
      { id: "measured", title: "measured (95 % interval)", unit: "batch" },
      { id: "predicted", title: "predicted", unit: "batch" },
      { id: "band", title: "band", unit: "batch" },
      { id: "floor", title: "on the ceilings", unit: "batch" },
    ],
    rows: crossovers.map((crossover) => {
      const cells = crossoverEvidence(run, crossover);
      const evidence = cells.length > 0 ? cells : [manifestPath];
      // A prediction follows from the cells that were fitted; the ceilings, from machine and model.
      const said = (text: string | undefined, paths: readonly string[] = evidence) =>
        text === undefined ? undefined : { text, evidence: paths };
      return {
        pair: `${crossover.label} and ${crossover.reference}`,
        metric: metricOf(crossover).title,
        faster: fasterAlone(crossover),
        measured: said(shortMeasured(crossover)) ?? "not measured",
        predicted: said(predictedText(crossover.predicted)),
        band: said(bandText(crossover)),
        floor: said(predictedText(crossover.floor), [manifestPath]),
      };
    }),
  };
}

function shortMeasured(crossover: RowCrossover): string | undefined {
  return crossoverText(crossover)?.replace(/, (always|never) faster$/, "");
}

function fasterAlone({ measured, predicted, reference, label }: RowCrossover): string {
  const side = measured?.fasterBelow ?? predicted?.fasterBelow;
  if (side === undefined) return "neither";
  return side === "a" ? label : reference;
}
