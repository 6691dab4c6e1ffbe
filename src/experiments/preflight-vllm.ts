/** The preflight's part for vLLM: what would fail after twenty minutes is looked at in seconds. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { modelTraffic } from "../roofline/traffic.ts";
import { describeError, QuantlabError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { kvBytesPerElement, kvCacheDtypeOf } from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { formatByName } from "../formats/registry.ts";
import { type Gpu, readGpus } from "../targets/nvidia-smi.ts";
import { judgeCapability } from "../targets/vllm/capabilities.ts";
import { type HubAccess, hubAccess } from "../targets/vllm/hub-access.ts";
import { vllmCommand } from "../targets/vllm/launch.ts";
import { isHubId, type VllmModel, modelFiles } from "../targets/vllm/model-files.ts";
import { probeVersion } from "../targets/vllm/probe.ts";
import { quantizationOf } from "../targets/vllm/quantization.ts";
import type { VllmVersion } from "../targets/vllm/version.ts";
import type { Check } from "./check.ts";
import type { LabConfig } from "./config.ts";

/** What is asked of the machine; tests answer in its place. */
export interface VllmSurroundings {
  version(): Promise<VllmVersion | undefined>;
  gpus(): Promise<readonly Gpu[] | undefined>;
  hub(id: string): Promise<HubAccess>;
}

export function realSurroundings(config: LabConfig): VllmSurroundings {
  const options = config.vllm ?? {};
  return {
    version: () => probeVersion(vllmCommand(options), { ...process.env, ...options.env }),
    gpus: () => readGpus(),
    hub: (id) => hubAccess(id),
  };
}

/** Activations, graphs and the CUDA context, beside weights and cache; a floor, not an estimate. */
const gpuOverheadBytes = 1.5e9;

export async function checkVllm(
  config: LabConfig,
  surroundings: VllmSurroundings,
): Promise<readonly Check[]> {
  const { version, check } = await checkVersion(config, surroundings);
  const isCpu = version?.isCpuBuild ?? false;
  const gpus = isCpu ? [] : ((await surroundings.gpus()) ?? []);
  const checks = await Promise.all(
    config.formats.map((entry) =>
      checkEntry(config, entry, { version, isCpu, gpus, surroundings }),
    ),
  );
  return [check, checkGpus(config, gpus, isCpu), ...checks.flat(), checkCaches()];
}

async function checkVersion(
  config: LabConfig,
  surroundings: VllmSurroundings,
): Promise<{ version: VllmVersion | undefined; check: Check }> {
  const name = "vllm";
  const command = vllmCommand(config.vllm ?? {}).join(" ");
  try {
    const version = await surroundings.version();
    const detail =
      version === undefined
        ? `${command} does not say its version: the newest flags are used`
        : `${version.text} (${command})`;
    return { version, check: { name, status: version === undefined ? "warn" : "pass", detail } };
  } catch (error) {
    const hint = error instanceof QuantlabError ? error.hint : undefined;
    const detail = error instanceof QuantlabError ? error.message : describeError(error);
    return { version: undefined, check: { name, status: "fail", detail, hint } };
  }
}

function checkGpus(config: LabConfig, gpus: readonly Gpu[], isCpu: boolean): Check {
  const name = "gpu";
  if (isCpu) {
    return {
      name,
      status: "warn",
      detail:
        "this vLLM is built for CPUs: a trial of the pipeline, not figures to rank formats by",
    };
  }
  const wanted = (config.vllm?.tensorParallelSize ?? 1) * (config.vllm?.pipelineParallelSize ?? 1);
  if (gpus.length === 0) {
    return {
      name,
      status: "warn",
      detail: "nvidia-smi finds no GPU: neither memory nor capability can be checked beforehand",
      hint: "in a job, check gres; on other makers' GPUs go on",
    };
  }
  const first = gpus[0];
  const described = `${gpus.length} x ${first?.name}, capability ${first?.capability ?? "unknown"}, driver ${first?.driver}`;
  if (wanted > gpus.length && config.vllm?.extraArgs?.nnodes === undefined) {
    return {
      name,
      status: "fail",
      detail: `${described}; the model is to be spread over ${wanted}`,
      hint: "lower vllm.tensorParallelSize, or give vLLM's multi-node flags in vllm.extraArgs (nnodes)",
    };
  }
  return { name, status: "pass", detail: described };
}

interface Surroundings {
  readonly version: VllmVersion | undefined;
  readonly isCpu: boolean;
  readonly gpus: readonly Gpu[];
  readonly surroundings: VllmSurroundings;
}

async function checkEntry(
  config: LabConfig,
  entry: LabConfig["formats"][number],
  around: Surroundings,
): Promise<Check[]> {
  const name = `format ${entry.label}`;
  const spec = entry.checkpoint ?? config.model;
  if (isHubId(spec)) {
    const access = await around.surroundings.hub(spec);
    if (!access.isUsable)
      return [{ name, status: "fail", detail: access.detail, hint: access.hint }];
  }
  try {
    const model = describeModel(spec, entry.format);
    const isReady =
      entry.checkpoint !== undefined ||
      model?.quantization !== undefined ||
      (spec.startsWith("dummy:") && entry.format === "awq");
    quantizationOf(
      {
        format: entry.format,
        kernel: entry.kernel,
        isReadyCheckpoint: isReady,
        isCpu: around.isCpu,
      },
      around.version,
    );
    return [
      capabilityCheck(name, entry.format, around),
      ...memoryCheck(config, entry, model, around),
    ];
  } catch (error) {
    if (!(error instanceof QuantlabError)) throw error;
    return [{ name, status: "fail", detail: error.message, hint: error.hint }];
  }
}

/** undefined where only the hub has it. @throws as resolveModel */
function describeModel(spec: string, format: string): ModelConfig | undefined {
  // Files for a dummy model are written when it starts, not now.
  const looked: Pick<VllmModel, "config"> = spec.startsWith("dummy:")
    ? { config: resolveModel(spec).config }
    : modelFiles(spec, format, "");
  return looked.config;
}

function capabilityCheck(name: string, format: string, { gpus, isCpu }: Surroundings): Check {
  if (isCpu) return { name, status: "pass", detail: "what this CPU build has, its start tells" };
  const { verdict, text } = judgeCapability(format, gpus[0]?.capability);
  if (verdict === "impossible") {
    return { name, status: "skip", detail: text, hint: "its cells will be recorded as skipped" };
  }
  return { name, status: verdict === "fallback" ? "warn" : "pass", detail: text };
}

/** Predicted weights and the longest sequence's cache against what is free on the GPUs. */
function memoryCheck(
  config: LabConfig,
  entry: LabConfig["formats"][number],
  model: ModelConfig | undefined,
  { gpus }: Surroundings,
): Check[] {
  if (model === undefined || gpus.length === 0) return [];
  const format = formatByName(entry.format);
  const traffic = modelTraffic(
    model,
    format,
    format.resolve(model),
    kvBytesPerElement[kvCacheDtypeOf(config.kvCacheDtype)],
  );
  const spread = (config.vllm?.tensorParallelSize ?? 1) * (config.vllm?.pipelineParallelSize ?? 1);
  const used = gpus.slice(0, spread);
  const total = used.reduce((sum, gpu) => sum + (gpu.memoryBytes ?? 0), 0);
  const free = total - used.reduce((sum, gpu) => sum + (gpu.usedBytes ?? 0), 0);
  if (total === 0) return [];
  const share = (config.vllm?.gpuMemoryUtilization ?? 0.9) * total;
  const oneSequence = config.maxModelLen * traffic.kvBytesPerToken;
  const needed = traffic.weights.totalBytes + oneSequence + gpuOverheadBytes * spread;
  const name = `GPU memory ${entry.label}`;
  const detail = `weights ${formatBytes(traffic.weights.totalBytes)}, cache of one sequence ${formatBytes(oneSequence)}; vLLM takes ${formatBytes(share)}, ${formatBytes(free)} free`;
  if (share > free) {
    return [
      {
        name,
        status: "fail",
        detail,
        hint: "another process holds the GPU: `nvidia-smi --query-compute-apps=pid,used_memory --format=csv`; or lower vllm.gpuMemoryUtilization",
      },
    ];
  }
  if (needed > share) {
    return [
      {
        name,
        status: "fail",
        detail,
        hint: "a smaller format, or vllm.tensorParallelSize over more GPUs",
      },
    ];
  }
  return [{ name, status: "pass", detail }];
}

/** vLLM compiles at its start and keeps what it compiled: a cache that cannot be written fails late. */
function checkCaches(): Check {
  const name = "vllm cache";
  const base = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const folder = process.env.VLLM_CACHE_ROOT ?? join(base, "vllm");
  try {
    mkdirSync(folder, { recursive: true });
    return { name, status: "pass", detail: folder };
  } catch (error) {
    return {
      name,
      status: "fail",
      detail: `${folder} cannot be written: ${error instanceof Error ? error.message : error}`,
      hint: "set VLLM_CACHE_ROOT and TRITON_CACHE_DIR to a folder of yours",
    };
  }
}
