/** The roofline: the shortest time in which a step's bytes and FLOPs can be done on a device. */
import type { FormatOptions } from "../formats/format.ts";
import type { Device } from "./devices.ts";
import {
  type FormatCost,
  type ModelShape,
  type ModelTraffic,
  modelTraffic,
  type StepTraffic,
  trafficOf,
} from "./traffic.ts";

export { predictWeightBytes } from "./traffic.ts";

/** What a prediction needs of a device. */
export type Ceilings = Pick<Device, "bytesPerSecond" | "flopsPerSecond">;

/** The share of a ceiling that an engine reaches; 1 and 1 give the floor that nothing beats. */
export interface Efficiency {
  readonly memory: number;
  readonly compute: number;
  /** What every step costs besides: launches, scheduling, sampling; 0 where absent. */
  readonly overheadMs?: number;
  /**
   * Whether reading and arithmetic take turns. A GPU hides one behind the other with thousands of
   * threads; a core that unpacks each line of weights before it multiplies does both one after the other.
   */
  readonly serial?: boolean;
}

export const floorEfficiency: Efficiency = { memory: 1, compute: 1 };

export type Bound = "memory" | "compute" | "overhead";

export interface Prediction {
  readonly ms: number;
  /** The longest part: bytes, FLOPs, or what every step costs besides. */
  readonly bound: Bound;
  readonly memoryMs: number;
  readonly computeMs: number;
}

/** Dense peak for these operands; where the device lacks them the weights are widened to BF16. */
export function peakFlops(ceilings: Ceilings, operands: ModelTraffic["operands"]): number {
  return ceilings.flopsPerSecond[operands] ?? ceilings.flopsPerSecond.bf16;
}

/** The two parts of a step as one time. */
export function workMsOf(
  { memoryMs, computeMs }: Pick<Prediction, "memoryMs" | "computeMs">,
  { serial = false }: Pick<Efficiency, "serial">,
): number {
  return serial ? memoryMs + computeMs : Math.max(memoryMs, computeMs);
}

/** The longer of memory and compute where they overlap, else their sum; the overhead comes on top. */
export function predictStepMs(
  traffic: StepTraffic,
  operands: ModelTraffic["operands"],
  ceilings: Ceilings,
  efficiency: Efficiency = floorEfficiency,
): Prediction {
  const memoryMs = (traffic.bytes / (ceilings.bytesPerSecond * efficiency.memory)) * 1e3;
  const computeMs =
    ((traffic.linearFlops / peakFlops(ceilings, operands) +
      traffic.otherFlops / ceilings.flopsPerSecond.bf16) /
      efficiency.compute) *
    1e3;
  const workMs = workMsOf({ memoryMs, computeMs }, efficiency);
  const overheadMs = efficiency.overheadMs ?? 0;
  const ceiling = computeMs > memoryMs ? "compute" : "memory";
  return {
    ms: workMs + overheadMs,
    bound: overheadMs > workMs ? "overhead" : ceiling,
    memoryMs,
    computeMs,
  };
}

/** One decode step of `batch` sequences: the time between two tokens of each of them. */
export function predictDecodeStep(
  model: ModelTraffic,
  ceilings: Ceilings,
  batch: number,
  contextLength: number,
  efficiency: Efficiency = floorEfficiency,
): Prediction {
  const traffic = trafficOf(model, { batch, contextLength, newTokensPerSequence: 1 });
  return predictStepMs(traffic, model.operands, ceilings, efficiency);
}

/** The prompts of one or more sequences, together in one step. */
export function predictPrefillStep(
  model: ModelTraffic,
  ceilings: Ceilings,
  promptTokens: number,
  efficiency: Efficiency = floorEfficiency,
  prompts = 1,
): Prediction {
  const traffic = trafficOf(model, {
    batch: prompts,
    contextLength: promptTokens,
    newTokensPerSequence: promptTokens,
  });
  return predictStepMs(traffic, model.operands, ceilings, efficiency);
}

/** Milliseconds between two tokens of one sequence when `batch` sequences decode together. */
export function predictDecodeMsPerToken(
  shape: ModelShape,
  format: FormatCost,
  options: FormatOptions,
  ceilings: Ceilings,
  batch: number,
  contextLength: number,
  efficiency: Efficiency = floorEfficiency,
): Prediction {
  const model = modelTraffic(shape, format, options);
  return predictDecodeStep(model, ceilings, batch, contextLength, efficiency);
}

/** Milliseconds of a whole prompt of one sequence, without queueing. */
export function predictPrefillMs(
  shape: ModelShape,
  format: FormatCost,
  options: FormatOptions,
  ceilings: Ceilings,
  promptTokens: number,
  efficiency: Efficiency = floorEfficiency,
): Prediction {
  return predictPrefillStep(
    modelTraffic(shape, format, options),
    ceilings,
    promptTokens,
    efficiency,
  );
}

/** Where b catches up with a, or the other way round, as the batch grows. */
export interface PredictedCrossover {
  /** "crosses": the order turns; "meets": they become equal and stay so; "none" up to `upTo`. */
  readonly kind: "crosses" | "meets" | "none";
  /** First batch at which it has happened. */
  readonly batch: number | undefined;
  /** Who is faster at batch 1; undefined when they are equal there. */
  readonly fasterBelow: "a" | "b" | undefined;
  readonly upTo: number;
}

/** Step times closer than this are called equal: no measurement here tells them apart. */
const equalWithin = 0.005;

/**
 * The first batch at which the faster of two models at batch 1 no longer is.
 * @param a, b milliseconds of a decode step by batch size
 */
export function predictCrossover(
  a: (batch: number) => number,
  b: (batch: number) => number,
  upTo = 1024,
): PredictedCrossover {
  const order = (batch: number): number => {
    const [msA, msB] = [a(batch), b(batch)];
    return Math.abs(msA - msB) <= equalWithin * Math.min(msA, msB) ? 0 : Math.sign(msB - msA);
  };
  const first = order(1);
  const none = { kind: "none", batch: undefined, upTo } as const;
  if (first === 0) return { ...none, fasterBelow: undefined };
  const fasterBelow = first > 0 ? "a" : "b";
  let met: number | undefined;
  for (let batch = 2; batch <= upTo; batch++) {
    const now = order(batch);
    if (now === -first) return { kind: "crosses", batch: met ?? batch, fasterBelow, upTo };
    if (now === first) met = undefined;
    else met ??= batch;
  }
  return met === undefined
    ? { ...none, fasterBelow }
    : { kind: "meets", batch: met, fasterBelow, upTo };
}
