/** An output head in a format of its own: its bytes, its logits, and what it leaves as it is. */
import { expect, test } from "vitest";
import { headCostOf } from "../formats/head.ts";
import { formatByName } from "../formats/registry.ts";
import { predictWeightBytes } from "../roofline/traffic.ts";
import { loadModel } from "./load.ts";
import type { Model } from "./model.ts";

const tokens = [1, 17, 300, 42, 5];

function load(spec: string, format: string, lmHead?: string): Model {
  return loadModel({ spec, format, lmHead, maxBatchTokens: 8, maxPositions: 16, seed: 3 });
}

/** Logits of the last token. */
function logitsOf(model: Model): Float32Array {
  model.allocateKvCache(1, 16);
  const rows = tokens.length;
  const positions = Int32Array.from({ length: rows }, (_, i) => i);
  const logits = model.forward({
    tokenIds: Int32Array.from(tokens),
    positions,
    slots: positions,
    sequences: [{ firstRow: 0, rows, contextLength: rows, blockTable: [0] }],
    logitRows: Int32Array.of(rows - 1),
  });
  return logits.read(0);
}

test("bf16 is the default: the tied embedding itself, and no bytes of its own", () => {
  const model = load("bundled", "bf16", "bf16");
  expect(model.lmHead).toBe("bf16");
  expect(model.memory.headBytes).toBe(0);
  model.close();
});

test.each(["bf16", "fp8", "awq"])("an fp8 head under %s takes the predicted bytes", (format) => {
  const model = load("bundled", format, "fp8");
  const { config, memory } = model;
  expect(model.lmHead).toBe("fp8");
  expect(model.format).toBe(format);
  const cost = formatByName(format);
  const head = headCostOf("fp8", config);
  const predicted = predictWeightBytes(config, cost, cost.resolve(config), head);
  // Rows and columns are padded to the kernels' panels.
  expect(memory.headBytes).toBeGreaterThanOrEqual(predicted.headBytes);
  expect(memory.headBytes).toBeLessThanOrEqual(predicted.headBytes * 1.05);
  expect(memory.embeddingBytes).toBe(load("bundled", format).memory.embeddingBytes);
  model.close();
});

test("an fp8 head changes logits as much as E4M3 rounds, and nothing before them", () => {
  const plain = load("bundled", "bf16");
  const quantized = load("bundled", "bf16", "fp8");
  const [expected, actual] = [logitsOf(plain), logitsOf(quantized)];
  const distance = Math.hypot(...expected.map((value, i) => value - (actual[i] ?? 0)));
  const relative = distance / Math.hypot(...expected);
  // Two roundings to 3 mantissa bits each: relative steps of at most 2^-4, uniform errors of about 2^-5.8.
  expect(relative).toBeGreaterThan(0.002);
  expect(relative).toBeLessThan(0.06);
  plain.close();
  quantized.close();
});

test("a name that is no format is refused", () => {
  expect(() => load("bundled", "bf16", "int3")).toThrow(/int3/);
});
