/** `quantlab quantize`: a BF16 checkpoint becomes an FP8 or AWQ-INT4 one that the ecosystem loads. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { formatBytes, formatDuration } from "../base/units.ts";
import {
  type KvCacheChoice,
  kvCacheChoices,
  kvCacheDtypeOf,
} from "../checkpoint/kv-cache-dtype.ts";
import { type ResolvedModel, resolveModel } from "../checkpoint/resolve.ts";
import type { Format, FormatOptions, Granularity, Layout } from "../formats/format.ts";
import { formatByName, formats } from "../formats/registry.ts";
import { kernels } from "../kernels/binding.ts";
import { calibrationSequences, shippedText } from "../quantization/calibration.ts";
import { type QuantizeResult, quantizeModel } from "../quantization/quantize-model.ts";
import { loadTokenizer } from "../text/load.ts";
import { positiveInteger, wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { defaultThreads } from "./threads.ts";
import { packageVersion } from "./version.ts";

interface QuantizeFlags {
  readonly model: string;
  readonly format: string;
  readonly out: string;
  readonly layout?: string;
  readonly groupSize?: number;
  readonly symmetric: boolean;
  readonly scales?: Granularity;
  readonly activations: "dynamic" | "static";
  readonly kvCacheDtype: KvCacheChoice;
  readonly calibrationPath?: string;
  readonly calibrationTokens: number;
  readonly calibrationLength: number;
  readonly threads?: number;
  readonly seed: number;
  readonly json: boolean;
}

const examples = `
Examples:
  $ quantlab quantize --model ./Llama-3.2-1B --format awq --out ./Llama-3.2-1B-awq
  $ quantlab quantize --model ./Llama-3.2-1B --format awq --layout compressed-tensors --out ./w4a16
  $ quantlab quantize --model ./Llama-3.2-1B --format fp8 --scales block --layout fp8 --out ./fp8
  $ quantlab quantize --model bundled --format fp8 --activations static --out ./fp8-static
  $ quantlab quantize --model bundled --format fp8 --kv-cache-dtype fp8 --out ./fp8-kv
  $ quantlab serve --model ./Llama-3.2-1B-awq

Interrupted, the same command goes on with the layer it was at; DIR appears only when it is complete.`;

const quantizable = formats.filter((format) => format.quantizer !== undefined);
const formatNames = quantizable.map(({ name }) => name);
const layoutNames = [
  ...new Set(quantizable.flatMap(({ layouts }) => layouts.map(({ name }) => name))),
];

export function quantizeCommand(): Command {
  return new Command("quantize")
    .description("Writes a quantized checkpoint; reads one block of the model at a time.")
    .requiredOption("--model <model>", "a BF16 checkpoint's folder, bundled, or dummy:SHAPE")
    .addOption(
      new Option("--format <name>", "what to make").choices(formatNames).makeOptionMandatory(),
    )
    .requiredOption("--out <dir>", "the folder to write; must not exist")
    .addOption(
      new Option("--layout <name>", "how to store it (default: the format's usual one)").choices(
        layoutNames,
      ),
    )
    .option(
      "--group-size <n>",
      "awq: columns that share a scale (default: 128, 64 or 32)",
      positiveInteger,
    )
    .option("--symmetric", "awq: no zero points (compressed-tensors only)", false)
    .addOption(
      new Option("--scales <granularity>", "fp8: what shares a weight scale").choices([
        "tensor",
        "channel",
        "block",
      ]),
    )
    .addOption(
      new Option("--activations <scales>", "fp8: activation scales computed as it runs, or fixed")
        .choices(["dynamic", "static"])
        .default("dynamic"),
    )
    .addOption(
      new Option("--kv-cache-dtype <type>", "fp8: also calibrate scales for an FP8 KV cache")
        .choices(kvCacheChoices)
        .default("auto"),
    )
    .option("--calibration-path <file>", "text or .jsonl (default: a text that quantlab ships)")
    .option("--calibration-tokens <n>", "at most", positiveInteger, 8192)
    .option("--calibration-length <n>", "tokens of one sequence", positiveInteger, 512)
    .option("--threads <n>", "threads of the kernels (default: all cores)", positiveInteger)
    .option("--seed <n>", "of dummy weights", wholeNumber, 0)
    .option("--json", "one JSON object on stdout", false)
    .addHelpText("after", examples)
    .action(quantize);
}

async function quantize(flags: QuantizeFlags): Promise<void> {
  kernels.setThreads(flags.threads ?? defaultThreads());
  const startMs = systemClock.nowMs();
  const model = resolveModel(flags.model);
  const format = formatByName(flags.format);
  const layout = layoutOf(flags, format);
  const options = optionsOf(flags, format, layout, model);
  const calibrationPath = calibrationPathOf(flags, model);
  const kvCacheScales = kvCacheDtypeOf(flags.kvCacheDtype) === "fp8";
  const needsText = kvCacheScales || (format.quantizer?.needsCalibration(options) ?? false);
  const { calibrationTokens: tokens, calibrationLength: sequenceLength } = flags;
  const sequences = needsText
    ? calibrationSequences(loadTokenizer(model), { path: calibrationPath, tokens, sequenceLength })
    : undefined;
  const calibration = needsText
    ? { path: flags.calibrationPath ?? "shipped", tokens, sequenceLength }
    : null;
  const settings = {
    quantlab: packageVersion(),
    model: model.folder === undefined ? `${model.label}, seed ${flags.seed}` : model.label,
    format: format.name,
    options,
    ...(kvCacheScales ? { kvCacheDtype: "fp8" } : {}),
    calibration,
  };
  const progress = new Progress();
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.once("SIGINT", interrupt);
  try {
    progress.event(`quantizing ${model.label} to ${format.name}, ${layout.name} layout`);
    const result = await quantizeModel({
      model,
      format,
      layout,
      options,
      sequences,
      kvCacheScales,
      settings,
      out: resolve(flags.out),
      seed: flags.seed,
      onProgress: progressBar(progress, startMs),
      signal: interruption.signal,
    });
    progress.end();
    announce(flags, settings, result, systemClock.nowMs() - startMs);
  } finally {
    process.off("SIGINT", interrupt);
  }
}

function progressBar(progress: Progress, startMs: number) {
  return (fraction: number, text: string): void => {
    const elapsedMs = systemClock.nowMs() - startMs;
    const leftMs = fraction > 0 ? (elapsedMs / fraction) * (1 - fraction) : undefined;
    progress.bar({ fraction, leftMs, text });
  };
}

/** The layout asked for, or the first that holds these scales. */
function layoutOf(flags: QuantizeFlags, format: Format): Layout {
  const names = format.layouts.map(({ name }) => name);
  const wanted = flags.symmetric ? (flags.layout ?? "compressed-tensors") : flags.layout;
  const layout =
    wanted === undefined ? format.layouts[0] : format.layouts.find(({ name }) => name === wanted);
  if (layout !== undefined) return layout;
  throw new QuantlabError("usage", `${format.name} has no layout "${wanted}"`, {
    hint: `its layouts are ${names.join(" and ")}`,
  });
}

/** What the flags say, checked against the model's shape by the format's own reading of them. */
function optionsOf(
  flags: QuantizeFlags,
  format: Format,
  layout: Layout,
  model: ResolvedModel,
): FormatOptions {
  const { groupSize, scales, symmetric } = flags;
  const wanted: FormatOptions = {
    ...(groupSize === undefined ? format.resolve(model.config) : { groupSize }),
    ...(scales === undefined ? {} : { granularity: scales }),
    ...(flags.activations === "static" ? { activations: "static" as const } : {}),
    ...(symmetric ? { symmetric } : {}),
    layout: layout.name,
  };
  const options = format.optionsOf(layout.configOf(wanted, []));
  const lost = (Object.keys(wanted) as (keyof FormatOptions)[]).find(
    (name) => options[name] !== wanted[name],
  );
  if (lost === undefined) return options;
  throw new QuantlabError(
    "usage",
    `${format.name} in the ${layout.name} layout cannot have ${lost} ${wanted[lost]}`,
    { hint: "see `quantlab quantize --help` for which flags belong to which format" },
  );
}

/** The bundled model brings problems of the kind it was trained on. */
function calibrationPathOf(flags: QuantizeFlags, model: ResolvedModel): string {
  if (flags.calibrationPath !== undefined) return flags.calibrationPath;
  const own = model.folder && join(model.folder, "gsm-synth", "train.jsonl");
  return own !== undefined && existsSync(own) ? own : shippedText;
}

function announce(
  flags: QuantizeFlags,
  settings: object,
  result: QuantizeResult,
  elapsedMs: number,
): void {
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ out: flags.out, ...settings, ...result, elapsedMs })}\n`,
    );
    return;
  }
  const { sourceBytes, tensorBytes, resumedLayers } = result;
  const resumed = resumedLayers > 0 ? `, ${resumedLayers} layers from an earlier run` : "";
  process.stdout.write(
    `${flags.out}: ${formatBytes(tensorBytes)} from ${formatBytes(sourceBytes)} in ${formatDuration(elapsedMs)}${resumed}\n`,
  );
}
