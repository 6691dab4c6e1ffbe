/** The crossover of every pair of rows by every metric, measured and predicted. */
import type { Run } from "../results/run.ts";
import { type EngineModel, type ForecastMetric, forecastCrossover } from "../roofline/forecast.ts";
import type { PredictedCrossover } from "../roofline/predict.ts";
import {
  ceilingsOf,
  evidenceOf,
  lengthsOf,
  repeatsOf,
  timedRowsOf,
  settingNumber,
  settingsOf,
} from "./cells.ts";
import { type Curve, findCrossover, type MeasuredCrossover } from "./crossover.ts";
import { figureDefinitions } from "../results/figures.ts";

const experiment = "throughput";

/** What pairs are compared by, and the figure of a throughput cell that holds it. */
export const crossoverMetrics: readonly {
  readonly metric: ForecastMetric;
  readonly figure: string;
  readonly title: string;
  /** "gives more output tokens per second". */
  readonly verb: string;
}[] = [
  {
    metric: "throughput",
    figure: "outputTokensPerSecond",
    title: "output tok/s",
    verb: "gives more output tokens per second",
  },
  { metric: "tpot", figure: "msPerTokenMedian", title: "TPOT", verb: "takes less time per token" },
  { metric: "ttft", figure: "ttftMsMedian", title: "TTFT", verb: "gives the first token sooner" },
];

export type CrossoverMetric = (typeof crossoverMetrics)[number];

export interface RowCrossover {
  readonly metric: ForecastMetric;
  /** The row that the other is held against: the one that comes first in the run. */
  readonly reference: string;
  readonly label: string;
  readonly measured: MeasuredCrossover | undefined;
  /** Of the ceilings alone, at the same lengths. */
  readonly floor: PredictedCrossover | undefined;
  /** With the engine's fitted efficiency. */
  readonly predicted: PredictedCrossover | undefined;
  /** If the two rows err by the engine's spread against each other, either way. */
  readonly band: readonly [PredictedCrossover, PredictedCrossover] | undefined;
}

export function metricOf({ metric }: Pick<RowCrossover, "metric">): CrossoverMetric {
  const found = crossoverMetrics.find((entry) => entry.metric === metric);
  if (found === undefined) throw new Error(`there is no crossover metric "${metric}"`);
  return found;
}

/** One row by batch size, higher is better: times are turned into rates. */
export function curveOf(run: Run, label: string, figure: string): Curve {
  const isTime = figureDefinitions[figure]?.better === "lower";
  return settingsOf(run, experiment).flatMap((setting) => {
    const found = [...repeatsOf(run, label, { experiment, setting, figure }).values()];
    const values = found
      .filter((value) => value > 0)
      .map((value) => (isTime ? 1e3 / value : value));
    return setting.startsWith("batch-") && values.length > 0
      ? [{ batch: settingNumber(setting), values }]
      : [];
  });
}

/** Output tokens per second of one row by batch size. */
export function throughputCurve(run: Run, label: string): Curve {
  return curveOf(run, label, "outputTokensPerSecond");
}

/** Every pair, the first row's pairs first, by every metric that was measured or can be predicted. */
export function rowCrossovers(run: Run, engine: EngineModel | undefined): RowCrossover[] {
  const rows = timedRowsOf(run);
  const pairs = rows.flatMap((reference, index) =>
    rows.slice(index + 1).map((label) => ({ reference, label })),
  );
  return pairs.flatMap((pair) =>
    crossoverMetrics.map(({ metric, figure }) => ({
      ...pair,
      metric,
      measured: findCrossover(
        curveOf(run, pair.label, figure),
        curveOf(run, pair.reference, figure),
        run.manifest.seed,
      ),
      ...predicted(run, engine, pair, metric),
    })),
  );
}

function predicted(
  run: Run,
  engine: EngineModel | undefined,
  { reference, label }: { readonly reference: string; readonly label: string },
  metric: ForecastMetric,
): Pick<RowCrossover, "floor" | "predicted" | "band"> {
  const none = { floor: undefined, predicted: undefined, band: undefined };
  const device = ceilingsOf(run);
  const [base, other] = [run.manifest.traffic?.[reference], run.manifest.traffic?.[label]];
  const lengths = lengthsOf(run, experiment) ?? lengthsOf(run, "latency");
  if (!device || !base || !other || !lengths || !engine) return none;
  // Rows of one format may differ in their kernel: the efficiency is the row's, not the format's.
  return forecastCrossover(
    { device, engine, ...lengths },
    metric,
    { ...other, format: label },
    { ...base, format: reference },
  );
}

/** Paths of the cells that a measured crossover comes from. */
export function crossoverEvidence(run: Run, crossover: RowCrossover): string[] {
  const { figure } = metricOf(crossover);
  return [crossover.reference, crossover.label].flatMap((row) =>
    settingsOf(run, experiment).flatMap((setting) =>
      evidenceOf(run, row, { experiment, setting, figure }),
    ),
  );
}
