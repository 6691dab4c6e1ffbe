/**
 * The models of every family against Hugging Face transformers: logits, and greedy tokens through the
 * whole engine. The fixtures and the program that wrote them: test/oracles/README.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/base/clock.ts";
import { Engine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Model } from "../../src/model/model.ts";

const folder = fileURLToPath(new URL("../fixtures/models", import.meta.url));

const floats = z.string().transform((text) => {
  const bytes = Buffer.from(text, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
});
const goldenSchema = z.object({
  prompt: z.array(z.number()),
  greedyTokens: z.array(z.number()),
  smallestLead: z.number(),
  /** The logits are of this prompt position and all after it. */
  firstLogitRow: z.number(),
  logitsBf16: floats,
  logitsFp32: floats,
});
type Golden = z.infer<typeof goldenSchema>;

function load(name: string, maxBatchTokens: number): { model: Model; golden: Golden } {
  const spec = join(folder, name);
  const text = readFileSync(join(spec, "golden.json"), "utf8");
  return {
    model: loadModel({ spec, maxBatchTokens, maxPositions: 128 }),
    golden: goldenSchema.parse(JSON.parse(text)),
  };
}

/** Logits of the prompt's last positions, the prompt run in one batch. */
function logitsOf(model: Model, { prompt, firstLogitRow }: Golden): Float32Array[] {
  const blockSize = 16;
  const blocks = Math.ceil(prompt.length / blockSize);
  model.allocateKvCache(blocks, blockSize);
  const rows = Int32Array.from(prompt, (_, i) => i);
  const logits = model.forward({
    tokenIds: Int32Array.from(prompt),
    positions: rows,
    slots: rows,
    sequences: [
      {
        firstRow: 0,
        rows: prompt.length,
        contextLength: prompt.length,
        blockTable: Array.from({ length: blocks }, (_, block) => block),
      },
    ],
    logitRows: rows.slice(firstLogitRow),
  });
  return Array.from({ length: logits.rows }, (_, row) => logits.read(row));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, v, i) => sum + v * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Greedy tokens of several requests with the same prompt, run together. */
function generate(model: Model, golden: Golden, maxNumBatchedTokens: number, requests: number) {
  const limits = {
    maxModelLen: 128,
    maxNumSeqs: 4,
    maxNumBatchedTokens,
    blocks: 32,
    blockSize: 16,
    vocabSize: model.config.vocabSize,
  };
  const engine = new Engine(model, limits, 0, systemClock);
  for (let i = 0; i < requests; i++) {
    engine.add({
      id: String(i),
      promptTokenIds: golden.prompt,
      params: {
        maxTokens: golden.greedyTokens.length,
        minTokens: 0,
        temperature: 0,
        topK: 0,
        topP: 1,
        seed: undefined,
        ignoreEos: true,
        stopTokenIds: [],
      },
    });
  }
  const tokens = new Map<string, (number | undefined)[]>();
  while (engine.hasWork) {
    for (const { id, tokenId } of engine.step())
      tokens.set(id, [...(tokens.get(id) ?? []), tokenId]);
  }
  return [...tokens.values()];
}

describe.each(readdirSync(folder))("%s", (name) => {
  test("BF16 logits are those of transformers", () => {
    const { model, golden } = load(name, 64);
    const { vocabSize } = model.config;
    const rows = logitsOf(model, golden);
    expect(rows.length).toBe(golden.prompt.length - golden.firstLogitRow);
    for (const [i, row] of rows.entries()) {
      const of = (all: Float32Array) => all.subarray(i * vocabSize, (i + 1) * vocabSize);
      expect(cosine(row, of(golden.logitsBf16))).toBeGreaterThanOrEqual(0.9999);
      expect(cosine(row, of(golden.logitsFp32))).toBeGreaterThanOrEqual(0.9999);
    }
    model.close();
  });

  test("the same 32 greedy tokens, with the prompt whole, in chunks, and beside others", () => {
    for (const [maxNumBatchedTokens, requests] of [
      [64, 1],
      [7, 1],
      [10, 3],
    ] as const) {
      const { model, golden } = load(name, maxNumBatchedTokens);
      expect(golden.greedyTokens).toHaveLength(32);
      const generated = generate(model, golden, maxNumBatchedTokens, requests);
      expect(generated).toEqual(Array(requests).fill(golden.greedyTokens));
      model.close();
    }
  });
});
