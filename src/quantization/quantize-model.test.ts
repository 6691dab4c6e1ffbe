/** Whole checkpoints: quantized, loaded again, resumed, interrupted, refused. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { readTensor } from "../checkpoint/tensor-source.ts";
import { writeSafetensors } from "../checkpoint/writer.ts";
import { bf16ToFloat } from "../formats/float16.ts";
import type { FormatOptions } from "../formats/format.ts";
import { formatByName } from "../formats/registry.ts";
import { readKvScales } from "../model/kv-scales.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { loadChatTemplate, loadTokenizer } from "../text/load.ts";
import { blockModules } from "../model/tensor-names.ts";
import { type QuantizeRequest, quantizeModel } from "./quantize-model.ts";

const folder = mkdtempSync(join(tmpdir(), "quantlab-quantize-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (family: string) =>
  new URL(`../../test/fixtures/models/${family}`, import.meta.url).pathname;

/** Repeatable token ids, 24 sequences of 16. */
const sequences = Array.from({ length: 24 }, (_, s) =>
  Array.from({ length: 16 }, (_, i) => (s * 37 + i * i * 11 + 3) % 256),
);

function requestOf(
  model: string,
  formatName: string,
  options: FormatOptions & { readonly layout: string },
  out: string,
): QuantizeRequest {
  const format = formatByName(formatName);
  const layout = format.layouts.find(({ name }) => name === options.layout);
  if (layout === undefined) throw new Error(`no layout ${options.layout}`);
  return {
    model: resolveModel(model),
    format,
    layout,
    options,
    sequences: format.quantizer?.needsCalibration(options) ? sequences : undefined,
    kvCacheScales: false,
    settings: { format: formatName, options },
    out: join(folder, out),
    seed: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  };
}

/** Logits after the last of a few tokens. */
function logitsOf(model: Model): Float32Array {
  model.allocateKvCache(2, 16);
  const tokenIds = Int32Array.from([5, 77, 130, 201, 18]);
  const count = tokenIds.length;
  const logits = model.forward({
    tokenIds,
    positions: Int32Array.from(tokenIds.keys()),
    slots: Int32Array.from(tokenIds.keys()),
    sequences: [{ firstRow: 0, rows: count, contextLength: count, blockTable: [0] }],
    logitRows: Int32Array.of(count - 1),
  });
  return logits.read(0);
}

function logitsFrom(spec: string, format?: string): Float32Array {
  const model = loadModel({ spec, format, maxBatchTokens: 16, maxPositions: 32 });
  try {
    return logitsOf(model);
  } finally {
    model.close();
  }
}

/** RMS of the difference relative to the RMS of what it is held against. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  const power = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(power(found.map((value, i) => value - (expected[i] ?? 0))) / power(expected));
}

const bytesOfFolder = (path: string) =>
  readdirSync(path)
    .sort()
    .map((name) => `${name} ${readFileSync(join(path, name)).toString("base64")}`);

const packed = "compressed-tensors";
const variants: readonly [string, FormatOptions & { readonly layout: string }][] = [
  ["awq", { layout: "autoawq", groupSize: 64 }],
  ["awq", { layout: packed, groupSize: 32 }],
  ["awq", { layout: packed, groupSize: 64, symmetric: true }],
  ["fp8", { layout: packed, granularity: "channel" }],
  ["fp8", { layout: packed, granularity: "tensor", activations: "static" }],
  ["fp8", { layout: "fp8", granularity: "tensor" }],
  ["fp8", { layout: "fp8", granularity: "block" }],
];

describe.each(variants)("%s %j", (format, options) => {
  it.each(["llama-untied", "qwen2", "qwen3"])(
    "%s loads again and answers alike",
    async (family) => {
      const out = `${family}-${format}-${JSON.stringify(options).replace(/\W/g, "")}`;
      const request = requestOf(fixture(family), format, options, out);
      await quantizeModel(request);
      const { config } = resolveModel(request.out);
      expect(request.format.detect(config.quantization)).toBe(true);
      expect(request.format.optionsOf(config.quantization)).toEqual(options);
      const error = relativeError(logitsFrom(request.out), logitsFrom(fixture(family)));
      expect(error).toBeLessThan(format === "fp8" ? 0.15 : 0.4);
    },
  );
});

describe("a quantized checkpoint", () => {
  it("of random weights says so, and is served with the stand-in tokenizer", async () => {
    const { config, ...shape } = resolveModel("dummy:smollm2-135m");
    const small = { hiddenSize: 64, intermediateSize: 128, layers: 1, heads: 1, kvHeads: 1 };
    const model = { ...shape, config: { ...config, ...small, headDim: 64 } };
    const request = requestOf(fixture("llama-tied"), "fp8", { layout: packed }, "random");
    await quantizeModel({ ...request, model });
    const written = resolveModel(request.out);
    expect(written).toMatchObject({ trained: false, tokenizerFolder: undefined });
    expect(loadTokenizer(written).encode("ab")).toEqual(
      loadTokenizer(resolveModel("dummy:smollm2-135m")).encode("ab"),
    );
    expect(loadChatTemplate(written)).toBeDefined();
    const trained = { ...written, trained: true };
    expect(() => loadTokenizer(trained)).toThrow(/no tokenizer\.json/);
    expect(loadChatTemplate(trained)).toBeUndefined();
  });

  const awq = { layout: "autoawq", groupSize: 64 };

  it("shows only when complete, goes on where it stopped, and is then the same", async () => {
    const whole = requestOf(fixture("llama-untied"), "awq", awq, "whole");
    await quantizeModel(whole);
    const interruption = new AbortController();
    const request = requestOf(fixture("llama-untied"), "awq", awq, "again");
    const stopped = quantizeModel({
      ...request,
      signal: interruption.signal,
      onProgress: (_, text) => text === "layer 1 of 2" && interruption.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
    expect(existsSync(request.out)).toBe(false);
    const other = quantizeModel({ ...request, settings: { options: "others" } });
    await expect(other).rejects.toMatchObject({ code: "usage" });
    const result = await quantizeModel(request);
    expect(result.resumedLayers).toBe(1);
    expect(bytesOfFolder(request.out)).toEqual(bytesOfFolder(whole.out));
  });

  it("keeps the function: norms give back what columns were multiplied by", async () => {
    const source = openCheckpoint(join(folder, "whole"));
    const original = openCheckpoint(fixture("llama-untied"));
    const name = `${blockModules(0).inputNorm}.weight`;
    const read = (from: typeof source) => new Uint16Array(readTensor(from, name).buffer);
    const divided = read(source);
    const before = read(original);
    const format = formatByName("awq");
    const module = blockModules(0).qkv[0];
    const { rows, columns, tensors } = format.read(source, [module], awq);
    const { values } = format.dequantize(tensors, rows, columns, awq);
    const weight = new Uint16Array(readTensor(original, `${module}.weight`).buffer);
    let power = 0;
    let error = 0;
    for (const [i, value] of values.entries()) {
      const k = i % columns;
      const ratio = bf16ToFloat(divided[k] ?? 0) / bf16ToFloat(before[k] ?? 0);
      const exact = bf16ToFloat(weight[i] ?? 0);
      power += exact * exact;
      error += (value * ratio - exact) ** 2;
    }
    expect(Math.sqrt(error / power)).toBeLessThan(0.2);
    source.close();
    original.close();
  });
});

describe("scales of an FP8 KV cache", () => {
  it.each(["compressed-tensors", "fp8"])("are written in the %s layout, and used", async (name) => {
    const options = { layout: name, granularity: name === "fp8" ? "tensor" : "channel" } as const;
    const request = requestOf(fixture("qwen3"), "fp8", options, `kv-${name}`);
    await quantizeModel({ ...request, sequences, kvCacheScales: true });
    const { config } = resolveModel(request.out);
    expect(config.quantization?.kv_cache_scheme).toEqual(request.layout.kvCache?.scheme);
    const source = openCheckpoint(request.out);
    const scales = readKvScales(source, config);
    source.close();
    // The largest key and value of the calibration tokens: neither nothing nor the whole range.
    for (const scale of [...(scales?.keys ?? []), ...(scales?.values ?? [])]) {
      expect(scale).toBeGreaterThan(1e-5);
      expect(scale).toBeLessThan(1);
    }
    const load = (kvCacheDtype: "bf16" | "fp8") =>
      loadModel({ spec: request.out, maxBatchTokens: 16, maxPositions: 32, kvCacheDtype });
    const model = load("fp8");
    expect(model.kvScalesCalibrated).toBe(true);
    expect(load("bf16").kvBytesPerToken).toBe(2 * model.kvBytesPerToken);
    expect(relativeError(logitsOf(model), logitsFrom(request.out))).toBeLessThan(0.1);
  });

  it("are refused where the layout has no place for them", async () => {
    const awq = { layout: "autoawq", groupSize: 64 };
    const request = requestOf(fixture("llama-tied"), "awq", awq, "kv-awq");
    const made = quantizeModel({ ...request, kvCacheScales: true });
    await expect(made).rejects.toThrow(/autoawq layout holds no scales of a KV cache/);
    expect(existsSync(request.out)).toBe(false);
  });
});

describe("what cannot be quantized", () => {
  it("is refused when it is quantized already, or when the folder is there", async () => {
    const again = requestOf(join(folder, "whole"), "fp8", { layout: packed }, "twice");
    await expect(quantizeModel(again)).rejects.toMatchObject({ code: "checkpoint-mismatch" });
    const there = requestOf(fixture("llama-tied"), "fp8", { layout: packed }, "whole");
    await expect(quantizeModel(there)).rejects.toMatchObject({ code: "usage" });
  });

  it.each([
    ["NaN in a weight", "fp8", /layer 1 .*NaN/],
    ["NaN in a weight", "awq", /layer 1 .*NaN/],
  ])("%s (%s) leaves nothing behind", async (_, format, message) => {
    const damaged = join(folder, `damaged-${format}`);
    cpSync(fixture("llama-untied"), damaged, { recursive: true });
    const source = openCheckpoint(damaged);
    const tensors = source.names().map((name) => {
      const { dtype, shape } = source.info(name);
      const bytes = readTensor(source, name);
      if (name === "model.layers.1.mlp.down_proj.weight") bytes.set([0xc0, 0x7f], 10);
      return { name, dtype, shape, read: () => bytes };
    });
    source.close();
    writeSafetensors(join(damaged, "model.safetensors"), tensors);
    const layout = format === "awq" ? { layout: "autoawq", groupSize: 64 } : { layout: packed };
    const request = requestOf(damaged, format, layout, `from-damaged-${format}`);
    await expect(quantizeModel(request)).rejects.toMatchObject({
      code: "format-unsupported",
      message: expect.stringMatching(message),
    });
    expect(existsSync(request.out)).toBe(false);
    expect(existsSync(`${request.out}.partial`)).toBe(false);
  });
});
