/** What a device is predicted to do with a model in several formats: a cell for each batch size. */
import type { Device } from "./devices.ts";
import {
  type Bound,
  type Ceilings,
  type Efficiency,
  floorEfficiency,
  type PredictedCrossover,
  predictCrossover,
  predictDecodeStep,
  predictPrefillStep,
} from "./predict.ts";
import type { ModelTraffic } from "./traffic.ts";

/** What a prediction assumes of an engine, and how far off such predictions are. */
export interface EngineModel {
  /** By row label or format name; a row without an entry takes `otherwise`. */
  readonly efficiency: Readonly<Record<string, Efficiency>>;
  readonly otherwise: Efficiency;
  /** Factor above and below a prediction that most measurements stay within; 1 gives no band. */
  readonly spread: number;
  /** Where the numbers come from, for people. */
  readonly source: string;
}

/** What the time of a step depends on besides the model. */
export interface Scene {
  readonly device: Ceilings;
  readonly engine: EngineModel;
  readonly inputLen: number;
  readonly outputLen: number;
}

export interface ForecastRequest extends Scene {
  readonly models: readonly ModelTraffic[];
  readonly device: Device;
  readonly batches: readonly number[];
  /** Share of the device's memory that weights and cache may take together. */
  readonly memoryUtilization: number;
}

export interface ForecastCell {
  readonly batch: number;
  /** On the ceilings alone. */
  readonly floorMs: number;
  readonly ms: number;
  readonly lowMs: number;
  readonly highMs: number;
  /** Of decode alone: batch over time per token. */
  readonly decodeTokensPerSecond: number;
  /** Of whole requests that start together: their prompts are prefilled first. */
  readonly outputTokensPerSecond: number;
  /** From the start of all prompts to their first tokens, prefilled together. */
  readonly ttftMs: number;
  readonly bound: Bound;
  /** Whether the cache of that many sequences of full length fits beside the weights. */
  readonly fits: boolean;
}

export interface ForecastRow {
  readonly format: string;
  readonly efficiency: Efficiency;
  readonly weightBytes: number;
  readonly bitsPerParameter: number;
  readonly stepWeightBytes: number;
  /** Weights alone at batch 1: no cache is read yet. */
  readonly decodeFloorMs: number;
  readonly kvBytesPerToken: number;
  /** 0 where the weights alone do not fit. */
  readonly kvCapacityTokens: number;
  /** Sequences of full length (input and output) that the cache holds. */
  readonly maxSequences: number;
  readonly prefill: {
    readonly tokens: number;
    readonly floorMs: number;
    readonly ms: number;
    readonly bound: Bound;
  };
  readonly cells: readonly ForecastCell[];
}

/** What two rows are compared by: time per token, time to the first, output tokens per second. */
export type ForecastMetric = "tpot" | "ttft" | "throughput";

/** Where two rows change order, on the ceilings and as predicted; the band is of the prediction. */
export interface ForecastCrossover {
  readonly a: string;
  readonly b: string;
  readonly metric: ForecastMetric;
  readonly floor: PredictedCrossover;
  readonly predicted: PredictedCrossover;
  /** Crossovers if the two rows err by the engine's spread against each other, either way. */
  readonly band: readonly [PredictedCrossover, PredictedCrossover];
}

export interface Forecast {
  readonly rows: readonly ForecastRow[];
  readonly crossovers: readonly ForecastCrossover[];
}

export function forecast(request: ForecastRequest): Forecast {
  const { models } = request;
  return {
    rows: models.map((model) => forecastRow(request, model)),
    crossovers: models.flatMap((b, index) =>
      models
        .slice(0, index)
        .flatMap((a) => metrics.map((metric) => forecastCrossover(request, metric, a, b))),
    ),
  };
}

const metrics: readonly ForecastMetric[] = ["throughput", "tpot", "ttft"];

export function efficiencyOf({ efficiency, otherwise }: EngineModel, row: string): Efficiency {
  return Object.hasOwn(efficiency, row) ? (efficiency[row] ?? otherwise) : otherwise;
}

/** Milliseconds of what a metric measures: lower is better for all three. */
function msOf(
  { device, inputLen, outputLen }: Scene,
  model: ModelTraffic,
  metric: ForecastMetric,
  batch: number,
  efficiency: Efficiency,
): number {
  const contextLength = Math.round(inputLen + outputLen / 2);
  const prefill = () => predictPrefillStep(model, device, inputLen, efficiency, batch).ms;
  const decode = () => predictDecodeStep(model, device, batch, contextLength, efficiency).ms;
  if (metric === "tpot") return decode();
  return metric === "ttft" ? prefill() : prefill() + (outputLen - 1) * decode();
}

function forecastRow(request: ForecastRequest, model: ModelTraffic): ForecastRow {
  const { device, inputLen, outputLen, memoryUtilization, batches } = request;
  const efficiency = efficiencyOf(request.engine, model.format);
  const { totalBytes } = model.weights;
  const free = device.memoryBytes * memoryUtilization - totalBytes;
  const kvCapacityTokens = Math.max(0, Math.floor(free / model.kvBytesPerToken));
  const maxSequences = Math.floor(kvCapacityTokens / (inputLen + outputLen));
  const prefill = predictPrefillStep(model, device, inputLen, efficiency);
  return {
    format: model.format,
    efficiency,
    weightBytes: totalBytes,
    bitsPerParameter: (8 * totalBytes) / model.parameters,
    stepWeightBytes: model.stepWeightBytes,
    decodeFloorMs: (model.stepWeightBytes / device.bytesPerSecond) * 1e3,
    kvBytesPerToken: model.kvBytesPerToken,
    kvCapacityTokens,
    maxSequences,
    prefill: {
      tokens: inputLen,
      floorMs: predictPrefillStep(model, device, inputLen).ms,
      ms: prefill.ms,
      bound: prefill.bound,
    },
    cells: batches.map((batch) => forecastCell(request, model, batch, batch <= maxSequences)),
  };
}

function forecastCell(
  request: ForecastRequest,
  model: ModelTraffic,
  batch: number,
  fits: boolean,
): ForecastCell {
  const { device, inputLen, outputLen, engine } = request;
  const efficiency = efficiencyOf(engine, model.format);
  const contextLength = Math.round(inputLen + outputLen / 2);
  const { ms, bound } = predictDecodeStep(model, device, batch, contextLength, efficiency);
  const floorMs = msOf(request, model, "tpot", batch, floorEfficiency);
  const requestMs = msOf(request, model, "throughput", batch, efficiency);
  return {
    batch,
    floorMs,
    ms,
    // Nothing is faster than the floor, however far the prediction may be off.
    lowMs: Math.max(floorMs, ms / engine.spread),
    highMs: ms * engine.spread,
    decodeTokensPerSecond: (1e3 * batch) / ms,
    outputTokensPerSecond: (1e3 * batch * outputLen) / requestMs,
    ttftMs: msOf(request, model, "ttft", batch, efficiency),
    bound,
    fits,
  };
}

export function forecastCrossover(
  request: Scene,
  metric: ForecastMetric,
  a: ModelTraffic,
  b: ModelTraffic,
): ForecastCrossover {
  const { engine } = request;
  const floor = (model: ModelTraffic) => (batch: number) =>
    msOf(request, model, metric, batch, floorEfficiency);
  const curve = (model: ModelTraffic, factor: number) => (batch: number) =>
    msOf(request, model, metric, batch, efficiencyOf(engine, model.format)) * factor;
  // Against each other by the spread: each by its root.
  const factor = Math.sqrt(engine.spread);
  return {
    a: a.format,
    b: b.format,
    metric,
    floor: predictCrossover(floor(a), floor(b)),
    predicted: predictCrossover(curve(a, 1), curve(b, 1)),
    band: [
      predictCrossover(curve(a, 1 / factor), curve(b, factor)),
      predictCrossover(curve(a, factor), curve(b, 1 / factor)),
    ],
  };
}
