/** Whole checkpoints that llm-compressor wrote: detected, read bit for bit, loaded; see test/oracles/README.md. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { resolveModel } from "../src/checkpoint/resolve.ts";
import type { FormatOptions } from "../src/formats/format.ts";
import { formatOfCheckpoint } from "../src/formats/registry.ts";
import { bytesOf } from "../src/formats/tensors.ts";
import { loadModel } from "../src/model/load.ts";

const fixtures = new URL("fixtures/formats/llm-compressor/", import.meta.url).pathname;
const expected: Record<string, Record<string, string>> = JSON.parse(
  readFileSync(join(fixtures, "expected.json"), "utf8"),
);
const layout = "compressed-tensors";

const cases: readonly [string, string, FormatOptions][] = [
  ["w4a16-awq", "awq", { layout, groupSize: 32 }],
  ["fp8-dynamic", "fp8", { layout, granularity: "channel" }],
  ["fp8-static", "fp8", { layout, granularity: "tensor", activations: "static" }],
  ["fp8-block", "fp8", { layout, granularity: "block" }],
];

describe.each(cases)("%s", (name, formatName, options) => {
  const folder = join(fixtures, name);
  const { config } = resolveModel(folder);

  it("is what its config.json says", () => {
    const format = formatOfCheckpoint(config.quantization);
    expect(format.name).toBe(formatName);
    expect(format.optionsOf(config.quantization)).toEqual(options);
  });

  it("holds the weights that compressed-tensors decompresses, bit for bit", () => {
    const format = formatOfCheckpoint(config.quantization);
    const source = openCheckpoint(folder);
    const digests = Object.keys(expected[name] ?? {}).map((module) => {
      const { rows, columns, tensors } = format.read(source, [module], options);
      const { values } = format.dequantize(tensors, rows, columns, options);
      return [module, createHash("sha256").update(bytesOf(values)).digest("hex")];
    });
    source.close();
    expect(digests).toHaveLength(7);
    expect(Object.fromEntries(digests)).toEqual(expected[name]);
  });

  it("loads whole and answers", () => {
    const model = loadModel({ spec: folder, maxBatchTokens: 4, maxPositions: 16 });
    model.allocateKvCache(1, 16);
    const tokenIds = Int32Array.of(5, 17, 30, 1);
    const positions = Int32Array.of(0, 1, 2, 3);
    const logits = model.forward({
      tokenIds,
      positions,
      slots: positions,
      sequences: [{ firstRow: 0, rows: 4, contextLength: 4, blockTable: [0] }],
      logitRows: Int32Array.of(3),
    });
    expect(logits.read(0).every(Number.isFinite)).toBe(true);
    model.close();
  });
});
