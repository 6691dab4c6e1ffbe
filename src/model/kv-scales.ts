/** Scales of an FP8 KV cache: under which names checkpoints keep them, one of keys and one of values a layer. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import { readScales } from "../formats/tensors.ts";
import { blockModules } from "./tensor-names.ts";

/** Multipliers of the codes, [layers] each. */
export interface KvScales {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** The largest magnitude becomes the largest E4M3 number; where there is none, 1. */
export function kvScaleOf(maximum: number): number {
  const scale = Math.fround(maximum / 448);
  return Number.isFinite(Math.fround(1 / scale)) ? scale : 1;
}

/** The names we write, and llm-compressor and AutoFP8 do. */
export function kvScaleNames(layer: number): { readonly key: string; readonly value: string } {
  const { attention } = blockModules(layer);
  return { key: `${attention}.k_scale`, value: `${attention}.v_scale` };
}

/** Every name in use, the usual one first; `kv_scale` is an old one for both. */
function candidatesOf(layer: number): readonly (readonly string[])[] {
  const { attention } = blockModules(layer);
  const { key, value } = kvScaleNames(layer);
  const shared = `${attention}.kv_scale`;
  const of = (usual: string, letter: "k" | "v") => [
    usual,
    `${attention}.attn.${letter}_scale`,
    `${attention}.${letter}_proj.output_scale`,
    `${attention}.${letter}_proj.${letter}_scale`,
    shared,
  ];
  return [of(key, "k"), of(value, "v")];
}

/**
 * The scales that a checkpoint brings, or undefined where it has none.
 * @throws checkpoint-mismatch where only some layers have them, or one is no positive number;
 *   format-unsupported on a scale for each head
 */
export function readKvScales(source: TensorSource, config: ModelConfig): KvScales | undefined {
  const layers = Array.from({ length: config.layers }, (_, layer) =>
    candidatesOf(layer).map((names) => names.find((name) => source.has(name))),
  );
  const found = layers.flat().filter((name) => name !== undefined);
  if (found.length === 0) return undefined;
  const scaleOf = (layer: number, kind: 0 | 1): number => {
    const name = layers[layer]?.[kind];
    if (name !== undefined) return readScale(source, name, config.kvHeads);
    const { key, value } = kvScaleNames(layer);
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${found[0]} is there, but ${kind === 0 ? key : value} is not`,
      { hint: "either every layer brings scales of keys and values, or none does" },
    );
  };
  const all = (kind: 0 | 1) => Float32Array.from(layers, (_, layer) => scaleOf(layer, kind));
  return { keys: all(0), values: all(1) };
}

function readScale(source: TensorSource, name: string, kvHeads: number): number {
  const { shape } = source.info(name);
  if (kvHeads > 1 && shape.reduce((product, size) => product * size, 1) === kvHeads) {
    throw new QuantlabError(
      "format-unsupported",
      `${source.label}: ${name} has a scale for each of ${kvHeads} heads`,
      { hint: "one scale a layer runs here; --kv-cache-dtype bf16 needs none" },
    );
  }
  const [scale = Number.NaN] = readScales(source, name, [[], [1]]);
  if (scale > 0 && Number.isFinite(Math.fround(1 / scale))) return scale;
  throw new QuantlabError(
    "checkpoint-mismatch",
    `${source.label}: ${name} is ${scale}; keys and values are divided by it`,
    { hint: "the file is damaged, or its quantizer failed; make the checkpoint again" },
  );
}
