/** Every measured cell beside its prediction: factors fitted to half of the decode cells, the rest held out. */
import { z } from "zod";
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import type { EngineModel } from "../roofline/forecast.ts";
import { efficiencyOf } from "../roofline/forecast.ts";
import {
  type Ceilings,
  type Efficiency,
  floorEfficiency,
  predictDecodeStep,
  predictPrefillStep,
} from "../roofline/predict.ts";
import type { ModelTraffic } from "../roofline/traffic.ts";
import { type BoundCell, boundCells } from "./bound.ts";
import {
  ceilingsOf,
  evidenceOf,
  figureOf,
  lengthsOf,
  rowsOf,
  settingNumber,
  settingsOf,
} from "./cells.ts";
import {
  engineOfRuns,
  fitFactor,
  fitLine,
  fitPointOf,
  medianAbsolute,
  residualOf,
  splitCells,
  spreadOf,
} from "./fit.ts";
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
  /** Whether the cell was used for the fit; "other" are not decode cells and never were. */
  readonly role: "fitted" | "held out" | "other";
  /** Sequences that decode together, as planned or by Little's law. */
  readonly batch: number;
  readonly decode: BoundCell | undefined;
  readonly evidence: readonly string[];
}

export interface Predictions {
  readonly cells: readonly PredictedCell[];
  readonly engine: EngineModel;
  /** Of the decode cells that the fit never saw; undefined when there are none. */
  readonly heldOutMedian: number | undefined;
  readonly heldOut: number;
  readonly fitted: number;
}

/** undefined for a run without decode cells or without ceilings. */
export function predictions(run: Run): Predictions | undefined {
  const decodeCells = boundCells(run);
  const ceilings = ceilingsOf(run);
  if (decodeCells.length === 0 || ceilings === undefined) return undefined;
  const { engine, cells } =
    run.manifest.published === undefined ? fittedHere(decodeCells) : leftOut(decodeCells);
  const heldOut = cells.filter(({ role }) => role === "held out");
  return {
    cells: [...cells, ...otherCells(run, ceilings, engine)],
    engine,
    heldOutMedian: medianAbsolute(heldOut.map(({ residual }) => residual)),
    heldOut: heldOut.length,
    fitted: cells.length - heldOut.length,
  };
}

type Fitted = { readonly engine: EngineModel; readonly cells: readonly PredictedCell[] };

/** One factor a row from every other cell; the spread is that of the cells held out. */
function fittedHere(decodeCells: readonly BoundCell[]): Fitted {
  const { fitted, heldOut } = splitCells(decodeCells);
  const rows = [...new Set(decodeCells.map(({ label }) => label))];
  const efficiency = Object.fromEntries(
    rows.map((row) => [row, fitFactor(fitted.filter((c) => c.label === row).map(fitPointOf))]),
  );
  const of = (cell: BoundCell) => efficiency[cell.label] ?? floorEfficiency;
  const judged = heldOut.length > 0 ? heldOut : fitted;
  const engine = {
    efficiency,
    otherwise: fitFactor(fitted.map(fitPointOf)),
    spread: spreadOf(judged.map((cell) => residualOf(fitPointOf(cell), of(cell)))),
    source: `one factor a row, fitted to ${fitted.length} of ${decodeCells.length} decode cells; the others were held out`,
  };
  const cells = decodeCells.map((cell) =>
    decodeCell(cell, of(cell), fitted.includes(cell) ? "fitted" : "held out"),
  );
  return { engine, cells };
}

/** Published figures, one a row: each predicted from the others, on whatever device they are. */
function leftOut(decodeCells: readonly BoundCell[]): Fitted {
  const all = referenceRuns.flatMap(boundCells);
  const cells = decodeCells.map((cell) => {
    const path = cell.evidence.join();
    const floor = cell.floor.memoryMs;
    const others = all.filter((o) => o.evidence.join() !== path || o.floor.memoryMs !== floor);
    return decodeCell(cell, fitLine(others.map(fitPointOf)), "held out");
  });
  const engine = engineOfRuns(
    referenceRuns,
    "one share and one cost per step for all rows, fitted to the published batch-1 decode of four devices; each cell here is predicted from the other five",
  );
  if (engine === undefined) throw new Error("the published runs have decode cells");
  return { engine, cells };
}

function decodeCell(
  cell: BoundCell,
  efficiency: Efficiency,
  role: PredictedCell["role"],
): PredictedCell {
  const residual = residualOf(fitPointOf(cell), efficiency);
  return {
    label: cell.label,
    experiment: cell.experiment,
    setting: cell.setting,
    metric: "ms/token",
    measured: cell.measuredMs,
    floor: cell.floor.ms,
    predicted: cell.measuredMs.value * (1 + residual),
    residual,
    role,
    batch: cell.batch,
    decode: cell,
    evidence: cell.evidence,
  };
}

/** What the figures beside time per token depend on. */
interface Scene {
  readonly run: Run;
  readonly label: string;
  readonly model: ModelTraffic;
  readonly ceilings: Ceilings;
  readonly efficiency: Efficiency;
}

function otherCells(run: Run, ceilings: Ceilings, engine: EngineModel): PredictedCell[] {
  return rowsOf(run).flatMap((label) => {
    const model = run.manifest.traffic?.[label];
    if (model === undefined) return [];
    const scene = { run, label, model, ceilings, efficiency: efficiencyOf(engine, label) };
    return [...latencyTtft(scene), ...throughputCells(scene), ...servingCells(scene)];
  });
}

/** Values with the engine's efficiency and on the ceilings alone. */
function twice(scene: Scene, value: (efficiency: Efficiency) => number): [number, number] {
  return [value(scene.efficiency), value(floorEfficiency)];
}

function otherCell(
  scene: Scene,
  where: Pick<PredictedCell, "experiment" | "setting" | "metric" | "batch">,
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

function latencyTtft(scene: Scene): PredictedCell[] {
  const lengths = lengthsOf(scene.run, "latency");
  if (lengths === undefined) return [];
  const where = { experiment: "latency", setting: "batch-1", metric: "TTFT", batch: 1 } as const;
  return otherCell(
    scene,
    where,
    "ttftMsMedian",
    (efficiency) =>
      predictPrefillStep(scene.model, scene.ceilings, lengths.inputLen, efficiency).ms,
  );
}

/** Whole requests of a closed batch: their prompts together, then their tokens. */
function throughputCells(scene: Scene): PredictedCell[] {
  const lengths = lengthsOf(scene.run, "throughput");
  if (lengths === undefined) return [];
  const { inputLen, outputLen } = lengths;
  const { model, ceilings } = scene;
  return settingsOf(scene.run, "throughput").flatMap((setting) => {
    const batch = settingNumber(setting);
    if (!setting.startsWith("batch-") || !Number.isInteger(batch)) return [];
    const where = { experiment: "throughput", setting, metric: "output tok/s", batch } as const;
    return otherCell(scene, where, "outputTokensPerSecond", (efficiency) => {
      const context = Math.round(inputLen + outputLen / 2);
      const prefill = predictPrefillStep(model, ceilings, inputLen, efficiency, batch).ms;
      const step = predictDecodeStep(model, ceilings, batch, context, efficiency).ms;
      return (1e3 * batch * outputLen) / (prefill + (outputLen - 1) * step);
    });
  });
}

const totalsSchema = z.looseObject({
  completed: z.number().positive(),
  total_input_tokens: z.number().positive(),
  total_output_tokens: z.number().positive(),
});

interface Load {
  readonly requests: number;
  readonly inputLen: number;
  readonly outputLen: number;
}

/** Mean lengths as measured, or those of the configuration for figures without records. */
function loadOf({ run, label }: Scene, setting: string): Load | undefined {
  const cell = run.results.find(
    ({ quantlab: { key } }) =>
      key.format === label && key.experiment === "serving" && key.setting === setting,
  );
  const totals = totalsSchema.safeParse(cell);
  if (totals.success) {
    const { completed, total_input_tokens, total_output_tokens } = totals.data;
    return {
      requests: completed,
      inputLen: Math.max(1, Math.round(total_input_tokens / completed)),
      outputLen: Math.max(1, total_output_tokens / completed),
    };
  }
  const lengths = run.manifest.published === undefined ? undefined : lengthsOf(run, "latency");
  return lengths === undefined ? undefined : { requests: 200, ...lengths };
}

const limitsSchema = z.looseObject({ maxNumSeqs: z.number().positive() });

/**
 * Requests in flight by Little's law, as a fixed point: rate times the time of a request at that
 * concurrency. A rate that the server cannot keep fills it up.
 */
function concurrencyOf(scene: Scene, load: Load, rate: number, efficiency: Efficiency): number {
  const limit = limitsSchema.safeParse(scene.run.manifest.config).data?.maxNumSeqs ?? 256;
  const most = Math.min(limit, load.requests);
  if (!Number.isFinite(rate)) return most;
  let inFlight = 1;
  for (let i = 0; i < 50; i++) {
    const seconds = requestMs(scene, load, Math.max(1, Math.round(inFlight)), efficiency) / 1e3;
    inFlight = Math.min(most, (inFlight + rate * seconds) / 2);
  }
  return Math.max(1, Math.round(inFlight));
}

function requestMs(scene: Scene, load: Load, batch: number, efficiency: Efficiency): number {
  const { inputLen, outputLen } = load;
  const prefill = predictPrefillStep(scene.model, scene.ceilings, inputLen, efficiency).ms;
  return prefill + (outputLen - 1) * stepMs(scene, load, batch, efficiency);
}

function stepMs(scene: Scene, load: Load, batch: number, efficiency: Efficiency): number {
  const context = Math.round(load.inputLen + load.outputLen / 2);
  return predictDecodeStep(scene.model, scene.ceilings, batch, context, efficiency).ms;
}

/** TTFT without a queue, but for a burst, in which the median waits for half of the prompts. */
function servingCells(scene: Scene): PredictedCell[] {
  return settingsOf(scene.run, "serving").flatMap((setting) => {
    const load = loadOf(scene, setting);
    if (load === undefined) return [];
    const rate = settingNumber(setting);
    const batch = concurrencyOf(scene, load, rate, scene.efficiency);
    const where = { experiment: "serving", setting, batch } as const;
    const ahead = Number.isFinite(rate) ? 1 : Math.max(1, Math.round((load.requests + 1) / 2));
    return [
      ...otherCell(
        scene,
        { ...where, metric: "TTFT" },
        "ttftMsMedian",
        (efficiency) =>
          predictPrefillStep(scene.model, scene.ceilings, load.inputLen, efficiency, ahead).ms,
      ),
      ...otherCell(scene, { ...where, metric: "ITL" }, "itlMsMedian", (efficiency) =>
        stepMs(scene, load, batch, efficiency),
      ),
    ];
  });
}
