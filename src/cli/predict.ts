/** `quantlab predict`: the roofline alone, for a device that need not be here. */
import { basename } from "node:path";
import { Command } from "commander";
import { engineOfRun, engineOfRuns } from "../analysis/fit.ts";
import { QuantlabError } from "../base/errors.ts";
import { kvBytesPerElement, parseKvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { shapeConfig, shapeNames } from "../checkpoint/shapes.ts";
import { headCostOf } from "../formats/head.ts";
import { formatByName, formats } from "../formats/registry.ts";
import { referenceRuns } from "../results/reference.ts";
import { loadRun } from "../results/store.ts";
import { type Device, deviceByName, devices } from "../roofline/devices.ts";
import { type EngineModel, type ForecastRequest, forecast } from "../roofline/forecast.ts";
import { measureThisMachine } from "../roofline/machine.ts";
import { floorEfficiency, peakFlops } from "../roofline/predict.ts";
import { modelTraffic } from "../roofline/traffic.ts";
import { lmHeadOption } from "./engine-options.ts";
import { positiveInteger, share } from "./option-values.ts";
import { forecastText, type PredictResult } from "./predict-text.ts";

export interface PredictOptions {
  readonly model: string;
  readonly device: string;
  readonly formats: readonly string[];
  readonly batchSizes: readonly number[];
  readonly inputLen: number;
  readonly outputLen: number;
  readonly memoryUtilization: number;
  readonly lmHead?: string;
  readonly kvCacheDtype: string;
  readonly fit?: string;
  readonly json?: boolean;
}

const commaSeparated = (text: string) => text.split(",").map((word) => word.trim());

export function predictCommand(): Command {
  return new Command("predict")
    .description("The roofline alone: time per token, what bounds it, memory, crossover; no run.")
    .option(
      "--model <model>",
      `${shapeNames.join(", ")}, dummy:SHAPE, bundled, or a folder`,
      "llama-3.1-8b",
    )
    .option(
      "--device <name>",
      `this (measured now), or ${devices.map(({ name }) => name).join(", ")}`,
      "h100-sxm",
    )
    .option(
      "--formats <list>",
      `of ${formats.map(({ name }) => name).join(",")}`,
      commaSeparated,
      formats.map(({ name }) => name),
    )
    .option(
      "--batch-sizes <list>",
      "sequences that decode together",
      (text: string) => commaSeparated(text).map(positiveInteger),
      [1, 4, 16, 64, 256],
    )
    .option("--input-len <n>", "tokens of a prompt", positiveInteger, 512)
    .option("--output-len <n>", "tokens of an answer", positiveInteger, 128)
    .addOption(lmHeadOption())
    .option("--kv-cache-dtype <type>", "auto, bf16 or fp8", "auto")
    .option("--memory-utilization <share>", "of the memory, for weights and cache", share, 0.9)
    .option(
      "--fit <run>",
      "take the engine's efficiency from this run's folder, from `reference`, or `none` for floors",
    )
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      `
Examples:
  $ quantlab predict --model llama-3.1-8b --device h100-sxm --formats bf16,fp8,awq
  $ quantlab predict --device l40s --batch-sizes 1,8,32 --input-len 2048 --json
  $ quantlab predict --model dummy:llama-3.2-1b --device this --fit runs/RUN

Without --fit, a device of the table takes the share and the cost per step that tell the published
vLLM figures of four GPUs; this machine takes an assumed share. Both are printed.`,
    )
    .action(async (options: PredictOptions) => {
      const result = await predict(options);
      process.stdout.write(
        options.json === true ? `${JSON.stringify(result, null, 2)}\n` : forecastText(result),
      );
    });
}

export async function predict(options: PredictOptions): Promise<PredictResult> {
  const { label, config } = modelOf(options.model);
  const kvBytes = kvBytesPerElement[parseKvCacheDtype(options.kvCacheDtype)];
  const head = headCostOf(options.lmHead, config);
  const models = [...new Set(options.formats)].map((name) => {
    const format = formatByName(name);
    return modelTraffic(config, format, format.resolve(config), kvBytes, head);
  });
  const device = deviceOf(options.device);
  const { inputLen, outputLen, memoryUtilization } = options;
  const request: ForecastRequest = {
    models,
    device,
    engine: await engineOf(options.fit, device),
    batches: [...new Set(options.batchSizes)].sort((a, b) => a - b),
    inputLen,
    outputLen,
    memoryUtilization,
  };
  const bf16 = device.flopsPerSecond.bf16;
  return {
    model: label,
    device,
    engine: request.engine,
    inputLen,
    outputLen,
    memoryUtilization,
    computeRatios: Object.fromEntries(
      models.map(({ format, operands }) => [
        format,
        Number((peakFlops(device, operands) / bf16).toFixed(3)),
      ]),
    ),
    ...forecast(request),
  };
}

/** Names of shapes need no prefix here: nothing is loaded. A hub id of a known shape is one too. */
function modelOf(name: string): { readonly label: string; readonly config: ModelConfig } {
  const shape = basename(name)
    .toLowerCase()
    .replace(/-(instruct|base|it)$/, "");
  if (shapeNames.includes(shape) && !name.startsWith(".")) {
    return { label: shape, config: shapeConfig(shape) };
  }
  return resolveModel(name);
}

function deviceOf(name: string): Device {
  if (name !== "this") return deviceByName(name);
  process.stderr.write("measuring this machine\n");
  return measureThisMachine();
}

/** This engine on a machine that no run has been made on: shares as `plan` assumes them. */
const assumed: EngineModel = {
  efficiency: {},
  otherwise: { memory: 0.8, compute: 0.5, overheadMs: 1, serial: true },
  spread: 1.5,
  source: "assumed, not fitted: make a run here and pass it with --fit",
};

const floors: EngineModel = {
  efficiency: {},
  otherwise: floorEfficiency,
  spread: 1,
  source: "none: the ceilings alone, which nothing beats",
};

async function engineOf(fit: string | undefined, device: Device): Promise<EngineModel> {
  if (fit === "none") return floors;
  if (fit === "reference" || (fit === undefined && device.name !== "this")) {
    const source =
      "one share and one cost per step for all formats, fitted to the batch-1 decode of the published vLLM runs on four GPUs; batches above 1 and prefill are extrapolated";
    return engineOfRuns(referenceRuns, source) ?? floors;
  }
  if (fit === undefined) return assumed;
  const engine = engineOfRun(await loadRun(fit));
  if (engine !== undefined) return engine;
  throw new QuantlabError("run-invalid", `${fit} has no decode cell to fit to`, {
    hint: "it needs finished latency or throughput cells",
  });
}
