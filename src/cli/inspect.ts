/** `quantlab inspect`: what a checkpoint holds by group, and what it takes in each format. */
import { Command } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { formatBytes, significant } from "../base/units.ts";
import { kvBytesPerElement } from "../checkpoint/kv-cache-dtype.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { type ResolvedModel, resolveModel } from "../checkpoint/resolve.ts";
import { parameterCounts } from "../checkpoint/shapes.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { Format } from "../formats/format.ts";
import { headCostOf } from "../formats/head.ts";
import { formatOfCheckpoint, formats } from "../formats/registry.ts";
import { DummySource } from "../model/dummy.ts";
import { loadModel } from "../model/load.ts";
import { type ModelTraffic, modelTraffic, predictWeightBytes } from "../roofline/traffic.ts";
import { groupTensors, type TensorGroup } from "./inspect-groups.ts";
import { renderTable } from "./table.ts";

interface InspectFlags {
  readonly load: boolean;
  readonly tensors: boolean;
  readonly json: boolean;
}

/** A model in one format: predicted, and measured where it was loaded. */
interface FormatReport {
  readonly format: string;
  readonly title: string;
  readonly predicted?: ModelTraffic["weights"] & {
    readonly kvBytesPerToken: number;
    /** With --lm-head fp8: a step reads it instead of the head in BF16. */
    readonly fp8HeadBytes: number;
    /** With --kv-cache-dtype fp8. */
    readonly fp8KvBytesPerToken: number;
  };
  /** As allocated by the engine, with --load. */
  readonly loadedBytes?: number;
  /** Why the model cannot be in this format. */
  readonly refused?: string;
}

const examples = `
Examples:
  $ quantlab inspect dummy:llama-3.2-1b
  $ quantlab inspect dummy:llama-3.2-1b --load      also load each format and weigh it
  $ quantlab inspect ./Llama-3.2-1B-Instruct-AWQ --tensors
  $ quantlab inspect bundled --json`;

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("What a checkpoint holds: tensors by group, and bytes in each format.")
    .argument("<model>", "a checkpoint's folder, bundled, or dummy:SHAPE")
    .option("--load", "load it in each format and report the bytes allocated", false)
    .option("--tensors", "list every tensor", false)
    .option("--json", "one JSON object on stdout", false)
    .addHelpText("after", examples)
    .action(inspect);
}

function inspect(spec: string, flags: InspectFlags): void {
  const model = resolveModel(spec);
  const source = sourceOf(model);
  try {
    const groups = groupTensors(source, model.config);
    const reports = formats.map((format) => reportOf(spec, model, format, flags.load));
    process.stdout.write(
      flags.json
        ? `${JSON.stringify(toJson(model, source, groups, reports, flags))}\n`
        : toText(model, source, groups, reports, flags),
    );
  } finally {
    source.close();
  }
}

function sourceOf(model: ResolvedModel): TensorSource {
  return model.folder === undefined
    ? new DummySource(model.config, 0, model.label)
    : openCheckpoint(model.folder);
}

function reportOf(
  spec: string,
  { config, label }: ResolvedModel,
  format: Format,
  load: boolean,
): FormatReport {
  const { name, title } = format;
  const own = formatOfCheckpoint(config.quantization);
  if (own.name !== "bf16" && own !== format) {
    return { format: name, title, refused: `the checkpoint is in ${own.name} already` };
  }
  try {
    const options = own === format ? format.optionsOf(config.quantization) : format.resolve(config);
    const { weights, kvBytesPerToken } = modelTraffic(config, format, options);
    const fp8KvBytesPerToken = (kvBytesPerToken * kvBytesPerElement.fp8) / kvBytesPerElement.bf16;
    const head = headCostOf("fp8", config);
    const fp8HeadBytes = predictWeightBytes(config, format, options, head).headBytes;
    const predicted = { ...weights, fp8HeadBytes, kvBytesPerToken, fp8KvBytesPerToken };
    if (!load) return { format: name, title, predicted };
    process.stderr.write(`loading ${label} in ${name}\n`);
    return { format: name, title, predicted, loadedBytes: weigh(spec, name) };
  } catch (error) {
    if (!(error instanceof QuantlabError)) throw error;
    return { format: name, title, refused: error.message };
  }
}

/** Bytes of the weights as the engine allocates them. */
function weigh(spec: string, format: string): number {
  const model = loadModel({ spec, format, maxBatchTokens: 1, maxPositions: 1 });
  try {
    return model.memory.totalBytes;
  } finally {
    model.close();
  }
}

function tensorList(source: TensorSource) {
  return source.names().map((name) => ({ name, ...source.info(name) }));
}

function toJson(
  model: ResolvedModel,
  source: TensorSource,
  groups: readonly TensorGroup[],
  reports: readonly FormatReport[],
  flags: InspectFlags,
): unknown {
  return {
    model: model.label,
    trained: model.trained,
    config: model.config,
    parameters: parameterCounts(model.config),
    groups,
    formats: reports,
    ...(flags.tensors ? { tensors: tensorList(source) } : {}),
  };
}

function toText(
  model: ResolvedModel,
  source: TensorSource,
  groups: readonly TensorGroup[],
  reports: readonly FormatReport[],
  flags: InspectFlags,
): string {
  const tensors = flags.tensors ? [tensorTable(source)] : [];
  return [headOf(model), ...tensors, groupTable(groups), formatTable(reports)].join("\n");
}

function headOf({ label, config, trained }: ResolvedModel): string {
  const { layers, hiddenSize, heads, kvHeads, headDim, vocabSize, maxPositions } = config;
  const { total } = parameterCounts(config);
  const tied = config.tieWordEmbeddings ? "tied to the embedding" : "separate";
  return `${label}: ${config.architecture}, ${significant(total / 1e6, 4)} million parameters${trained ? "" : ", random weights"}
  ${layers} layers of ${hiddenSize}, ${heads} query and ${kvHeads} key heads of ${headDim}, head ${tied}
  vocabulary ${vocabSize}, ${maxPositions} positions, RoPE ${config.ropeScaling.type}
`;
}

function tensorTable(source: TensorSource): string {
  return renderTable({
    header: ["tensor", "dtype", "shape", "bytes"],
    rows: tensorList(source).map(({ name, dtype, shape, byteLength }) => [
      name,
      dtype,
      `[${shape.join(", ")}]`,
      formatBytes(byteLength),
    ]),
    left: [1, 2],
  });
}

function groupTable(groups: readonly TensorGroup[]): string {
  return renderTable({
    title: "As stored",
    header: ["group", "tensors", "dtype", "parameters", "bits per weight", "bytes"],
    rows: groups.map(({ group, tensors, dtypes, parameters, bitsPerWeight, bytes }) => [
      group,
      String(tensors),
      dtypes.join(" "),
      String(parameters),
      significant(bitsPerWeight, 4),
      formatBytes(bytes),
    ]),
    left: [2],
  });
}

function formatTable(reports: readonly FormatReport[]): string {
  const isLoaded = reports.some(({ loadedBytes }) => loadedBytes !== undefined);
  const table = renderTable({
    title: "In memory, by format",
    header: [
      "format",
      "weights, predicted",
      ...(isLoaded ? ["weights, as loaded"] : []),
      "linears",
      "bits per weight",
      "head in fp8 instead",
      "KV cache per token, bf16",
      "fp8",
    ],
    rows: reports.flatMap(({ format, predicted, loadedBytes }) =>
      predicted === undefined
        ? []
        : [
            [
              format,
              formatBytes(predicted.totalBytes),
              ...(isLoaded ? [loadedBytes === undefined ? "" : formatBytes(loadedBytes)] : []),
              formatBytes(predicted.linearBytes),
              significant(predicted.linearBitsPerWeight, 4),
              formatBytes(predicted.fp8HeadBytes),
              formatBytes(predicted.kvBytesPerToken),
              formatBytes(predicted.fp8KvBytesPerToken),
            ],
          ],
    ),
  });
  const refused = reports.flatMap(({ format, refused: reason }) =>
    reason === undefined ? [] : [`not in ${format}: ${reason}\n`],
  );
  const usable = new Set(
    reports.filter(({ refused: reason }) => reason === undefined).map(({ format }) => format),
  );
  const offered = formats.filter(({ name }) => usable.has(name));
  const kernels = offered.flatMap(({ name, otherKernels = [] }) =>
    otherKernels.map((kernel) => `${name} has a second kernel: --kernel ${kernel}\n`),
  );
  return `${table}${refused.join("")}${kernels.join("")}`;
}
