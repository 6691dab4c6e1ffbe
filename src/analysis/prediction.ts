/** Every measured cell beside its prediction: factors fitted to half of the decode cells, the rest held out. */
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
import { type BoundCell, boundCells } from "./bound.ts";
import { ceilingsOf, lengthsOf, rowsOf, settingNumber, settingsOf } from "./cells.ts";
import {
  engineOfRuns,
  fitFactor,
  fitLine,
  fitPointOf,
  medianAbsolute,
  residualOf,
  splitCells,
  spreadOf,
  takesTurns,
} from "./fit.ts";
import { otherCell, type PredictedCell, type Scene } from "./predicted-cell.ts";
import { servingCells } from "./serving-prediction.ts";

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
    run.manifest.published === undefined
      ? fittedHere(decodeCells, takesTurns(run))
      : leftOut(decodeCells);
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
function fittedHere(decodeCells: readonly BoundCell[], serial: boolean): Fitted {
  const { fitted, heldOut } = splitCells(decodeCells);
  const rows = [...new Set(decodeCells.map(({ label }) => label))];
  const efficiency = Object.fromEntries(
    rows.map((row) => [
      row,
      fitFactor(fitted.filter((c) => c.label === row).map(fitPointOf), serial),
    ]),
  );
  const of = (cell: BoundCell) => efficiency[cell.label] ?? floorEfficiency;
  const judged = heldOut.length > 0 ? heldOut : fitted;
  const engine = {
    efficiency,
    otherwise: fitFactor(fitted.map(fitPointOf), serial),
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

function otherCells(run: Run, ceilings: Ceilings, engine: EngineModel): PredictedCell[] {
  return rowsOf(run).flatMap((label) => {
    const model = run.manifest.traffic?.[label];
    if (model === undefined) return [];
    const scene = { run, label, model, ceilings, efficiency: efficiencyOf(engine, label) };
    return [...latencyTtft(scene), ...throughputCells(scene), ...servingCells(scene)];
  });
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
