/** Quantizes a checkpoint block by block: one block's weights in memory, a file a block, resumable. */
import { setImmediate } from "node:timers/promises";
import { assert, QuantlabError } from "../base/errors.ts";
import type { QuantizationConfig } from "../checkpoint/model-config.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { ResolvedModel } from "../checkpoint/resolve.ts";
import { readTensor, type TensorSource } from "../checkpoint/tensor-source.ts";
import type { TensorToWrite } from "../checkpoint/writer.ts";
import type { QuantizedBlock } from "../formats/block.ts";
import type { Format, FormatOptions, Layout } from "../formats/format.ts";
import { bytesOf } from "../formats/tensors.ts";
import { type BlockInputs, BlockRunner } from "../model/block-runner.ts";
import { type DenseBlock, DenseReader } from "../model/dense-block.ts";
import { DummySource } from "../model/dummy.ts";
import { kvScaleNames, kvScaleOf } from "../model/kv-scales.ts";
import { linearGroups } from "../model/quantize-block.ts";
import { embeddingModule, headModule, tensorPlan } from "../model/tensor-names.ts";
import { quantizedConfig } from "./config-json.ts";
import { OutputFolder } from "./output.ts";

export interface QuantizeRequest {
  readonly model: ResolvedModel;
  readonly format: Format;
  readonly layout: Layout;
  readonly options: FormatOptions;
  /** Token ids of each calibration sequence; needed where the format's quantizer says so. */
  readonly sequences: readonly (readonly number[])[] | undefined;
  /** Whether to write scales of an FP8 KV cache, from the calibration sequences. */
  readonly kvCacheScales: boolean;
  /** Everything that decides the result, for the file beside the checkpoint and for resuming. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly out: string;
  /** Of dummy weights. */
  readonly seed: number;
  readonly onProgress: (fraction: number, text: string) => void;
  readonly signal: AbortSignal;
}

export interface QuantizeResult {
  readonly tensorBytes: number;
  /** BF16 bytes of what was read. */
  readonly sourceBytes: number;
  /** Layers that an earlier run had finished. */
  readonly resumedLayers: number;
}

const partOf = (layer: number) => `layer-${`${layer}`.padStart(5, "0")}.safetensors`;
const restPart = "rest.safetensors";

/**
 * @throws checkpoint-mismatch on a checkpoint that is quantized already; format-unsupported; usage;
 *   interrupted, after which the same call goes on
 */
export async function quantizeModel(request: QuantizeRequest): Promise<QuantizeResult> {
  const { model, layout, out, settings } = request;
  if (request.kvCacheScales) requireKvCache(layout);
  if (model.config.quantization !== undefined) {
    throw new QuantlabError("checkpoint-mismatch", `${model.label} is quantized already`, {
      hint: "start from the BF16 checkpoint it was made from",
    });
  }
  const source =
    model.folder === undefined
      ? new DummySource(model.config, request.seed, model.label)
      : openCheckpoint(model.folder);
  try {
    requireTensors(source, model);
    const parts = [restPart, ...Array.from({ length: model.config.layers }, (_, i) => partOf(i))];
    const folder = OutputFolder.open(out, parts, settings);
    try {
      const done = await quantizeLayers(request, source, folder);
      const ignored = [headModule];
      const config = quantizedConfig(
        model.config,
        model.folder,
        quantizationConfigOf(request, ignored),
        layout.modelDtype,
      );
      const report = { ...settings, layers: folder.notes().slice(1) };
      const tensorBytes = folder.finish(config, model.folder, report);
      return { ...done, tensorBytes, sourceBytes: bytesOfSource(source) };
    } catch (error) {
      const isInterrupted = error instanceof QuantlabError && error.code === "interrupted";
      if (error instanceof QuantlabError && !isInterrupted) folder.discard();
      throw error;
    }
  } finally {
    source.close();
  }
}

/** @throws usage where the layout has no place for scales of a KV cache */
function quantizationConfigOf(
  { layout, options, kvCacheScales }: QuantizeRequest,
  ignored: readonly string[],
): QuantizationConfig {
  const config = layout.configOf(options, ignored);
  return kvCacheScales ? { ...config, kv_cache_scheme: requireKvCache(layout).scheme } : config;
}

function requireKvCache({ name, kvCache }: Layout): NonNullable<Layout["kvCache"]> {
  if (kvCache !== undefined) return kvCache;
  throw new QuantlabError("usage", `the ${name} layout holds no scales of a KV cache`, {
    hint: "fp8 checkpoints do: --format fp8 --kv-cache-dtype fp8",
  });
}

const bytesOfSource = (source: TensorSource): number =>
  source.names().reduce((sum, name) => sum + source.info(name).byteLength, 0);

/** A missing tensor is found before the first minute of work. */
function requireTensors(source: TensorSource, model: ResolvedModel): void {
  for (const { name } of tensorPlan(model.config)) source.info(name);
}

async function quantizeLayers(
  request: QuantizeRequest,
  source: TensorSource,
  folder: OutputFolder,
): Promise<Omit<QuantizeResult, "tensorBytes" | "sourceBytes">> {
  const { model, sequences, onProgress, signal } = request;
  const { layers } = model.config;
  const reader = new DenseReader(source, model.config);
  onProgress(0, "embedding");
  if (!folder.has(restPart)) folder.write(restPart, restTensors(source, model), null);
  const runner =
    sequences && new BlockRunner(model.config, sequences, embeddingRows(reader, model));
  let resumedLayers = 0;
  for (let layer = 0; layer < layers; layer++) {
    await setImmediate();
    if (signal.aborted) {
      throw new QuantlabError("interrupted", `stopped after ${layer} of ${layers} layers`, {
        hint: "the same command goes on from there",
      });
    }
    onProgress(layer / layers, `layer ${layer + 1} of ${layers}`);
    const isDone = folder.has(partOf(layer));
    if (isDone) resumedLayers++;
    if (isDone && runner === undefined) continue;
    const block = reader.block(layer);
    const inputs = runner?.run(block);
    if (isDone) continue;
    const quantized = quantizeBlock(request, layer, () =>
      requireQuantizer(request.format).quantizeBlock(linearGroups(block, inputs), request.options),
    );
    const tensors = [
      ...layerTensors(request, source, block, quantized),
      ...kvScaleTensors(request, layer, inputs),
    ];
    folder.write(partOf(layer), tensors, quantized.choices);
  }
  onProgress(1, "writing");
  return { resumedLayers };
}

function requireQuantizer(format: Format) {
  assert(format.quantizer !== undefined, `${format.name} has a quantizer`);
  return format.quantizer;
}

/** The kernels' complaints about values (NaN, infinity), with the place they were found. */
function quantizeBlock(
  { format, model }: QuantizeRequest,
  layer: number,
  quantize: () => QuantizedBlock,
): QuantizedBlock {
  try {
    return quantize();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new QuantlabError(
      "format-unsupported",
      `${model.label}: layer ${layer} cannot be quantized to ${format.name}: ${cause.message}`,
      { cause },
    );
  }
}

function embeddingRows(reader: DenseReader, model: ResolvedModel) {
  const { hiddenSize } = model.config;
  const table = reader.vector(`${embeddingModule}.weight`);
  return (tokenId: number) => table.subarray(tokenId * hiddenSize, (tokenId + 1) * hiddenSize);
}

function copied(source: TensorSource, name: string): TensorToWrite {
  const { dtype, shape } = source.info(name);
  return { name, dtype, shape, read: () => readTensor(source, name) };
}

/** Embedding, final norm and head: as they are. */
function restTensors(source: TensorSource, model: ResolvedModel): TensorToWrite[] {
  return tensorPlan(model.config)
    .filter(({ name }) => !name.startsWith("model.layers."))
    .map(({ name }) => copied(source, name));
}

/** One scale of keys and one of values, where they are wanted. */
function kvScaleTensors(
  { layout, kvCacheScales }: QuantizeRequest,
  layer: number,
  inputs: BlockInputs | undefined,
): TensorToWrite[] {
  if (!kvCacheScales) return [];
  assert(inputs !== undefined, "scales of a KV cache are calibrated");
  const { scaleShape: shape } = requireKvCache(layout);
  const names = kvScaleNames(layer);
  const { key, value } = inputs.kvMaxima;
  return [
    { name: names.key, maximum: key },
    { name: names.value, maximum: value },
  ].map(({ name, maximum }) => {
    const scale = Float32Array.of(kvScaleOf(maximum));
    return { name, dtype: "F32", shape, read: () => bytesOf(scale) };
  });
}

/** The block's matrices in the layout; norms and biases as they are, or as a search left them. */
function layerTensors(
  { layout, options }: QuantizeRequest,
  source: TensorSource,
  { modules, qkv, output, gateUp, down, qkNorm }: DenseBlock,
  { matrices, vectors }: QuantizedBlock,
): TensorToWrite[] {
  const linears = [qkv, output, gateUp, down].flatMap((stack) => stack.linears);
  const names = [
    `${modules.inputNorm}.weight`,
    `${modules.postNorm}.weight`,
    ...(qkNorm === undefined ? [] : [`${modules.queryNorm}.weight`, `${modules.keyNorm}.weight`]),
    ...linears.filter(({ bias }) => bias !== undefined).map(({ module }) => `${module}.bias`),
  ];
  const vectorTensors = names.map((name): TensorToWrite => {
    const changed = vectors.get(name);
    if (changed === undefined) return copied(source, name);
    return { name, dtype: "BF16", shape: [changed.length], read: () => bytesOf(changed) };
  });
  const matrixTensors = [...matrices].flatMap(([module, matrix]) =>
    layout.tensorsOf(module, matrix, options),
  );
  return [...vectorTensors, ...matrixTensors];
}
