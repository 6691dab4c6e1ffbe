/** The whole command and environment of one `vllm serve`, from what the lab wants and what is here. */
import { kvBytesPerElement, kvCacheDtypeOf } from "../../checkpoint/kv-cache-dtype.ts";
import type { TargetRequest } from "../target.ts";
import { extraArguments, flagArguments, flagRows } from "./flags.ts";
import type { VllmModel } from "./model-files.ts";
import type { VllmOptions } from "./options.ts";
import { quantizationOf } from "./quantization.ts";
import type { VllmVersion } from "./version.ts";

export interface LaunchInput {
  readonly request: TargetRequest;
  readonly options: VllmOptions;
  readonly model: VllmModel;
  readonly version: VllmVersion | undefined;
  readonly isCpu: boolean;
  readonly port: number;
  readonly servedName: string;
}

export const defaultStartTimeoutSeconds = 1_800;
const gib = 2 ** 30;
/** Where the model's shape is not known: room for the published experiment on an 8B model. */
const unknownCacheGib = 16;
/** vLLM's own patience must outlast ours, or it leaves workers behind when it gives up. */
const readyTimeoutMarginSeconds = 600;

/** The program with its words: the one of lab.yaml, of the environment, or `vllm`. */
export function vllmCommand(options: VllmOptions): readonly string[] {
  if (options.command !== undefined) return options.command;
  const given = process.env.QUANTLAB_VLLM;
  return given === undefined || given === "" ? ["vllm"] : [given];
}

/** @throws format-unsupported */
export function launchArguments(input: LaunchInput): string[] {
  const { request, options, model, version, isCpu, port, servedName } = input;
  const quantization = quantizationOf(
    {
      format: request.format,
      kernel: request.kernel,
      isReadyCheckpoint: (request.isReadyCheckpoint ?? false) || isMadeReady(input),
      isCpu,
    },
    version,
  );
  return [
    "serve",
    model.path,
    ...flagArguments(
      flagRows,
      {
        servedName,
        port,
        dtype: options.dtype ?? quantization.dtype,
        maxModelLen: request.maxModelLen,
        maxNumSeqs: request.maxNumSeqs,
        kvCacheDtype: request.kvCacheDtype,
        seed: request.seed,
        quantization: quantization.flag,
        hasDummyWeights: model.hasDummyWeights,
        isCpu,
        gpuMemoryUtilization: options.gpuMemoryUtilization ?? 0.9,
        tensorParallelSize: options.tensorParallelSize ?? 1,
        pipelineParallelSize: options.pipelineParallelSize ?? 1,
      },
      version,
    ),
    ...extraArguments(options.extraArgs ?? {}),
  ];
}

/** Dummy AWQ is laid out as a checkpoint; a checkpoint's own config may say that it is quantized. */
function isMadeReady({ request, model }: LaunchInput): boolean {
  if (model.hasDummyWeights) return request.format === "awq";
  return model.config?.quantization !== undefined;
}

/** What we set, without the rest of the environment: this is what a result keeps, by names. */
export function launchEnvironment(input: LaunchInput): Record<string, string> {
  const { request, options, model, isCpu } = input;
  const timeout = options.startTimeoutSeconds ?? defaultStartTimeoutSeconds;
  return {
    VLLM_NO_USAGE_STATS: "1",
    DO_NOT_TRACK: "1",
    NO_COLOR: "1",
    PYTHONUNBUFFERED: "1",
    VLLM_ENGINE_READY_TIMEOUT_S: String(Math.ceil(timeout + readyTimeoutMarginSeconds)),
    ...(isCpu ? cpuEnvironment(request, model) : {}),
    ...options.env,
  };
}

function cpuEnvironment(request: TargetRequest, { config }: VllmModel): Record<string, string> {
  const bytesPerElement = kvBytesPerElement[kvCacheDtypeOf(request.kvCacheDtype)];
  const bytesPerToken =
    config === undefined
      ? undefined
      : 2 * config.layers * config.kvHeads * config.headDim * bytesPerElement;
  const cacheGib =
    bytesPerToken === undefined
      ? unknownCacheGib
      : Math.ceil((bytesPerToken * request.maxModelLen * request.maxNumSeqs) / gib);
  const { threads } = request;
  return {
    VLLM_CPU_KVCACHE_SPACE: String(Math.max(1, cacheGib)),
    ...(threads === undefined ? {} : { VLLM_CPU_OMP_THREADS_BIND: `0-${threads - 1}` }),
  };
}
