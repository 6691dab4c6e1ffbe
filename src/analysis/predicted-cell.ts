/** A measured figure beside its prediction, and what a prediction depends on. */
import type { Run } from "../results/run.ts";
import { type Ceilings, type Efficiency, floorEfficiency } from "../roofline/predict.ts";
import type { ModelTraffic } from "../roofline/traffic.ts";
import type { BoundCell } from "./bound.ts";
import { evidenceOf, figureOf } from "./cells.ts";
import type { Interval } from "./interval.ts";

export interface PredictedCell {
  readonly label: string;
  readonly experiment: string;
  readonly setting: string;
  readonly metric: "ms/token" | "TTFT" | "ITL" | "output tok/s";
  readonly measured: Interval;
  /** On the ceilings alone, with nothing else in the way. */
  readonly floor: number;
  readonly predicted: number;
  /** predicted / measured - 1. */
  readonly residual: number;
  /** Predicted without other requests in the way; undefined where none are expected. */
  readonly alone?: number;
  /** Whether the cell was used for the fit; "other" are not decode cells and never were. */
  readonly role: "fitted" | "held out" | "other";
  /** Sequences that decode together, as planned or as the queue is predicted to hold. */
  readonly batch: number;
  readonly decode: BoundCell | undefined;
  readonly evidence: readonly string[];
}

/** What the figures beside time per token depend on. */
export interface Scene {
  readonly run: Run;
  readonly label: string;
  readonly model: ModelTraffic;
  readonly ceilings: Ceilings;
  readonly efficiency: Efficiency;
}

/** Values with the engine's efficiency and on the ceilings alone. */
function twice(scene: Scene, value: (efficiency: Efficiency) => number): [number, number] {
  return [value(scene.efficiency), value(floorEfficiency)];
}

export function otherCell(
  scene: Scene,
  where: Pick<PredictedCell, "experiment" | "setting" | "metric" | "batch" | "alone">,
  figure: string,
  value: (efficiency: Efficiency) => number,
): PredictedCell[] {
  const { run, label } = scene;
  const place = { experiment: where.experiment, setting: where.setting, figure };
  const measured = figureOf(run, label, place);
  if (measured === undefined || !(measured.value > 0)) return [];
  const [predicted, floor] = twice(scene, value);
  return [
    {
      ...where,
      label,
      measured,
      floor,
      predicted,
      residual: predicted / measured.value - 1,
      role: "other",
      decode: undefined,
      evidence: evidenceOf(run, label, place),
    },
  ];
}
