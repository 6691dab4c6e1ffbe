/** The crossover of every row against the first one, measured and predicted, as findings. */
import type { Run } from "../results/run.ts";
import {
  type PredictedCrossover,
  predictCrossover,
  predictDecodeStep,
} from "../roofline/predict.ts";
import {
  ceilingsOf,
  evidenceOf,
  lengthsOf,
  repeatsOf,
  rowsOf,
  settingNumber,
  settingsOf,
} from "./cells.ts";
import { type Curve, findCrossover, type MeasuredCrossover } from "./crossover.ts";
import type { Finding } from "./finding.ts";
import { asPercent, asText } from "./wording.ts";

const experiment = "throughput";
const figure = "outputTokensPerSecond";

export interface RowCrossover {
  /** The row that the other is held against: the first of the run. */
  readonly reference: string;
  readonly label: string;
  readonly measured: MeasuredCrossover | undefined;
  /** Of decode steps on the ceilings alone, at the same lengths. */
  readonly predicted: PredictedCrossover | undefined;
}

/** Output tokens per second of one row by batch size. */
export function throughputCurve(run: Run, label: string): Curve {
  return settingsOf(run, experiment).flatMap((setting) => {
    const batch = settingNumber(setting);
    const values = [...repeatsOf(run, label, { experiment, setting, figure }).values()];
    return setting.startsWith("batch-") && values.length > 0 ? [{ batch, values }] : [];
  });
}

export function rowCrossovers(run: Run): RowCrossover[] {
  const [reference, ...others] = rowsOf(run);
  if (reference === undefined) return [];
  const base = throughputCurve(run, reference);
  return others.map((label) => ({
    reference,
    label,
    measured: findCrossover(throughputCurve(run, label), base, run.manifest.seed),
    predicted: predicted(run, reference, label),
  }));
}

function predicted(run: Run, reference: string, label: string): PredictedCrossover | undefined {
  const ceilings = ceilingsOf(run);
  const [base, other] = [run.manifest.traffic?.[reference], run.manifest.traffic?.[label]];
  const lengths = lengthsOf(run, experiment) ?? lengthsOf(run, "latency");
  if (!ceilings || !base || !other || !lengths) return undefined;
  const context = Math.round(lengths.inputLen + lengths.outputLen / 2);
  return predictCrossover(
    (batch) => predictDecodeStep(other, ceilings, batch, context).ms,
    (batch) => predictDecodeStep(base, ceilings, batch, context).ms,
  );
}

/** Short, for a table: "23 (18 to 31)", "none to 64, always faster". */
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

/** Resamples that must agree before a crossover, or its absence, counts as certain. */
const certainFrom = 0.95;

export function crossoverFinding(run: Run, crossover: RowCrossover): Finding | undefined {
  const { measured, reference, label } = crossover;
  if (measured === undefined) return undefined;
  const evidence = [reference, label].flatMap((row) =>
    settingsOf(run, experiment).flatMap((setting) =>
      evidenceOf(run, row, { experiment, setting, figure }),
    ),
  );
  const certain = measured.support !== undefined && measured.support >= certainFrom;
  const decided = measured.kind === "none" ? "no" : "yes";
  return {
    id: `crossover/output-throughput/${label}/${reference}`,
    claim:
      `${measuredSentence(crossover, measured)} ${certaintySentence(measured)} ${predictedSentence(crossover)}`.trim(),
    verdict: certain ? decided : "undecided",
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

function measuredSentence({ reference, label }: RowCrossover, found: MeasuredCrossover): string {
  const { fasterBelow, from, upTo, batches } = found;
  if (fasterBelow === undefined) return `${label} and ${reference} are equal at every batch size.`;
  const [fast, slow] = fasterBelow === "a" ? [label, reference] : [reference, label];
  if (found.kind === "none") {
    return `No crossover from batch ${from} to ${upTo}: ${fast} gives more output tokens per second than ${slow} throughout.`;
  }
  const at = asText(batches[0] ?? Number.NaN);
  if (found.kind === "one")
    return `${fast} is faster than ${slow} up to batch ${at}, ${slow} above.`;
  return `${label} and ${reference} change places ${batches.length} times (first at batch ${at}, ${fast} being faster before): the curves are within noise of each other.`;
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

function predictedSentence({ predicted: found, reference, label }: RowCrossover): string {
  if (found === undefined) return "";
  if (found.kind === "none") {
    const fast = found.fasterBelow === "b" ? reference : label;
    return found.fasterBelow === undefined
      ? "The ceilings alone predict no difference."
      : `The ceilings alone predict none up to ${found.upTo}, with ${fast} faster.`;
  }
  const verb = found.kind === "crosses" ? "a crossing" : "that they become equal";
  return `The ceilings alone predict ${verb} at batch ${found.batch}.`;
}
