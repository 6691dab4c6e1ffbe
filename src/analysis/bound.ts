/** What bounds a decode cell: its floor on the machine's measured ceilings beside what was measured. */
import type { Run } from "../results/run.ts";
import { type Prediction, predictDecodeStep } from "../roofline/predict.ts";
import { trafficOf } from "../roofline/traffic.ts";
import {
  ceilingsOf,
  evidenceOf,
  type FigurePlace,
  figureOf,
  lengthsOf,
  quantity,
  rowsOf,
  settingNumber,
  settingsOf,
  settingTitle,
} from "./cells.ts";
import type { Finding } from "./finding.ts";
import type { Interval } from "./interval.ts";
import { asPercent, asText } from "./wording.ts";

export interface BoundCell {
  readonly label: string;
  readonly experiment: string;
  readonly setting: string;
  readonly batch: number;
  /** Mean tokens in the cache over the outputs of a sequence. */
  readonly contextLength: number;
  readonly measuredMs: Interval;
  readonly floor: Prediction;
  /** Bytes a step moves, and the rate at which the measured step moved them. */
  readonly stepBytes: number;
  readonly achievedBytesPerSecond: number;
  /** Share of the measured time that the ceiling alone explains. */
  readonly memoryFraction: number;
  readonly computeFraction: number;
  readonly bound: "memory" | "compute" | "neither";
  readonly evidence: readonly string[];
}

/** A ceiling that explains less than half of the time is not what bounds a cell. */
const namedFrom = 0.5;

/** Every decode cell of a run that has both a measurement and the numbers for its floor. */
export function boundCells(run: Run): BoundCell[] {
  const ceilings = ceilingsOf(run);
  if (ceilings === undefined) return [];
  const places = ["latency", "throughput"].flatMap((experiment) =>
    settingsOf(run, experiment).map((setting) => ({
      experiment,
      setting,
      figure: "msPerTokenMedian",
    })),
  );
  return rowsOf(run).flatMap((label) =>
    places.flatMap((place) => boundCell(run, label, place) ?? []),
  );
}

function boundCell(run: Run, label: string, place: FigurePlace): BoundCell | undefined {
  const ceilings = ceilingsOf(run);
  const model = run.manifest.traffic?.[label];
  const measuredMs = figureOf(run, label, place);
  const lengths = lengthsOf(run, place.experiment);
  const batch = settingNumber(place.setting);
  if (!ceilings || !model || !measuredMs || !lengths || !Number.isInteger(batch)) return undefined;
  const contextLength = Math.round(lengths.inputLen + lengths.outputLen / 2);
  const floor = predictDecodeStep(model, ceilings, batch, contextLength);
  const { bytes } = trafficOf(model, { batch, contextLength, newTokensPerSequence: 1 });
  const memoryFraction = floor.memoryMs / measuredMs.value;
  const computeFraction = floor.computeMs / measuredMs.value;
  const explained = Math.max(memoryFraction, computeFraction);
  return {
    label,
    experiment: place.experiment,
    setting: place.setting,
    batch,
    contextLength,
    measuredMs,
    floor,
    stepBytes: bytes,
    achievedBytesPerSecond: bytes / (measuredMs.value / 1e3),
    memoryFraction,
    computeFraction,
    bound:
      explained < namedFrom ? "neither" : computeFraction > memoryFraction ? "compute" : "memory",
    evidence: evidenceOf(run, label, place),
  };
}

/** One finding a cell: which ceiling, and how near. */
export function boundFinding(cell: BoundCell): Finding {
  const { label, setting, measuredMs, floor, memoryFraction, computeFraction, bound } = cell;
  const where = `${label} at ${settingTitle(setting)}`;
  const times = `${asText(measuredMs.value)} ms a token, floor ${asText(floor.ms)} ms`;
  const shares = `${asPercent(memoryFraction)} of the read bandwidth, ${asPercent(computeFraction)} of the compute peak`;
  const claim = {
    memory: `${where} is bound by memory bandwidth: ${times} (${shares}).`,
    compute: `${where} is bound by compute: ${times} (${shares}).`,
    neither: `${where} is near neither ceiling: ${times} (${shares}); the rest is decoding of weights, attention, step overhead or queueing.`,
  }[bound];
  return {
    id: `bound/${cell.experiment}/${setting}/${label}`,
    claim,
    verdict: "info",
    numbers: {
      measured: quantity(measuredMs, "ms"),
      floor: quantity({ value: floor.ms, n: 1, low: undefined, high: undefined }, "ms"),
    },
    evidence: cell.evidence,
  };
}
