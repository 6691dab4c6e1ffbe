/** Which scales of an FP8 KV cache a checkpoint's tensors give, and which are refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { writeSafetensors } from "../checkpoint/writer.ts";
import { bytesOf } from "../formats/tensors.ts";
import { type KvScales, kvScaleOf, readKvScales } from "./kv-scales.ts";

const folder = mkdtempSync(join(tmpdir(), "quantlab-kv-scales-"));
afterAll(() => rmSync(folder, { recursive: true }));

const config = { ...shapeConfig("llama-3.2-1b"), layers: 2, kvHeads: 4 };
let files = 0;

/** Scales read from a checkpoint of these F32 tensors: names without "model.layers.". */
function scalesOf(
  tensors: Readonly<Record<string, number | readonly number[]>>,
  shape: readonly number[] = [],
): KvScales | undefined {
  const path = join(folder, `${files++}.safetensors`);
  writeSafetensors(
    path,
    Object.entries(tensors).map(([name, value]) => {
      const values = Float32Array.from(typeof value === "number" ? [value] : value);
      const itsShape = values.length === 1 ? shape : [values.length];
      const read = () => bytesOf(values);
      return { name: `model.layers.${name}`, dtype: "F32", shape: itsShape, read };
    }),
  );
  const source = SafetensorsFile.open(path);
  try {
    return readKvScales(source, config);
  } finally {
    source.close();
  }
}

describe("every name in use is found", () => {
  test.each([
    ["self_attn.k_scale", "self_attn.v_scale"],
    ["self_attn.attn.k_scale", "self_attn.attn.v_scale"],
    ["self_attn.k_proj.output_scale", "self_attn.v_proj.output_scale"],
    ["self_attn.k_proj.k_scale", "self_attn.v_proj.v_scale"],
  ])("%s and %s", (key, value) => {
    const tensors = { [`0.${key}`]: 0.5, [`1.${key}`]: 2, [`0.${value}`]: 0.25, [`1.${value}`]: 4 };
    for (const shape of [[], [1]]) {
      expect(scalesOf(tensors, shape)).toEqual({
        keys: Float32Array.of(0.5, 2),
        values: Float32Array.of(0.25, 4),
      });
    }
  });

  test("the old kv_scale serves both", () => {
    expect(scalesOf({ "0.self_attn.kv_scale": 0.5, "1.self_attn.kv_scale": 2 })).toEqual({
      keys: Float32Array.of(0.5, 2),
      values: Float32Array.of(0.5, 2),
    });
  });
});

test("a checkpoint without scales has none", () => {
  expect(scalesOf({ "0.input_layernorm.weight": 1 })).toBeUndefined();
});

test("a missing scale is named", () => {
  const [key, value] = ["self_attn.k_scale", "self_attn.v_scale"];
  expect(() => scalesOf({ [`0.${key}`]: 1, [`1.${key}`]: 1, [`0.${value}`]: 1 })).toThrow(
    /model\.layers\.0\.self_attn\.k_scale is there, but model\.layers\.1\.self_attn\.v_scale is not/,
  );
});

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-45])(
  "a scale of %d is refused",
  (bad) => {
    const names = [0, 1].flatMap((layer) => ["k", "v"].map((x) => `${layer}.self_attn.${x}_scale`));
    const tensors = Object.fromEntries(names.map((name, i) => [name, i === 2 ? bad : 1]));
    expect(() => scalesOf(tensors)).toThrow(/model\.layers\.1\.self_attn\.k_scale/);
  },
);

test("a scale for each head is refused with what runs instead", () => {
  const perHead = { "0.self_attn.k_scale": [1, 2, 3, 4], "0.self_attn.v_scale": 1 };
  const rest = { "1.self_attn.k_scale": 1, "1.self_attn.v_scale": 1 };
  expect(() => scalesOf({ ...perHead, ...rest })).toThrow(/a scale for each of 4 heads/);
});

test("the largest magnitude becomes 448, and nothing becomes 1", () => {
  expect(kvScaleOf(448)).toBe(1);
  expect(kvScaleOf(7)).toBe(Math.fround(7 / 448));
  expect(kvScaleOf(0)).toBe(1);
});
