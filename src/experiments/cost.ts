/** What a cell is predicted to cost: the roofline of the measured machine at an honest efficiency. */
import {
  type KvCacheChoice,
  kvBytesPerElement,
  kvCacheDtypeOf,
} from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { parameterCounts } from "../checkpoint/shapes.ts";
import { headCostOf } from "../formats/head.ts";
import { formatByName } from "../formats/registry.ts";
import type { Machine } from "../results/run.ts";
import { deviceByName } from "../roofline/devices.ts";
import {
  type Ceilings,
  type Efficiency,
  predictDecodeStep,
  predictPrefillStep,
} from "../roofline/predict.ts";
import { type ModelTraffic, modelTraffic } from "../roofline/traffic.ts";

/** One row's model on this machine. */
export interface CostModel {
  readonly traffic: ModelTraffic;
  /** From the start of the server's process to its ready line. */
  readonly startMs: number;
  /** One step in which `batch` sequences get a token each. */
  decodeMs(batch: number, contextLength: number): number;
  /** One prompt, alone. */
  prefillMs(promptTokens: number): number;
}

/** Shares of the measured ceilings that the engine reaches in decode and in prefill. */
const efficiency: Efficiency = { memory: 0.8, compute: 0.5 };
/** Scheduler, worker messages, HTTP and SSE of one step. */
const stepOverheadMs = 1;
/** Node, the addon and the server's modules. */
const bootMs = 900;
/** Random weights made and packed, or read and packed, on one core. */
const weightsLoadedPerSecondAndCore = 100e6;

export function costModel(
  config: ModelConfig,
  format: string,
  machine: Machine,
  kvCache?: KvCacheChoice,
  lmHead?: string,
): CostModel {
  const cost = formatByName(format);
  const kvBytes = kvBytesPerElement[kvCacheDtypeOf(kvCache)];
  const traffic = modelTraffic(
    config,
    cost,
    cost.resolve(config),
    kvBytes,
    headCostOf(lmHead, config),
  );
  const device = machine.accelerator?.device;
  const ceilings: Ceilings =
    device === undefined
      ? {
          bytesPerSecond: machine.readBandwidthBytesPerSecond,
          flopsPerSecond: { bf16: machine.bf16FlopsPerSecond },
        }
      : deviceByName(device);
  const loadedPerSecond = weightsLoadedPerSecondAndCore * machine.threads;
  return {
    traffic,
    startMs: bootMs + (parameterCounts(config).total / loadedPerSecond) * 1e3,
    decodeMs: (batch, contextLength) =>
      stepOverheadMs + predictDecodeStep(traffic, ceilings, batch, contextLength, efficiency).ms,
    prefillMs: (promptTokens) =>
      stepOverheadMs + predictPrefillStep(traffic, ceilings, promptTokens, efficiency).ms,
  };
}

/** Requests of equal lengths, `concurrency` at a time: prompts one by one, answers together. */
export function closedLoopMs(
  cost: CostModel,
  load: {
    readonly requests: number;
    readonly concurrency: number;
    readonly inputLen: number;
    readonly outputLen: number;
  },
): number {
  const { requests, concurrency, inputLen, outputLen } = load;
  const batch = Math.min(requests, concurrency);
  const rounds = requests / batch;
  const contextLength = inputLen + outputLen / 2;
  return (
    requests * cost.prefillMs(inputLen) +
    rounds * Math.max(0, outputLen - 1) * cost.decodeMs(batch, contextLength)
  );
}
