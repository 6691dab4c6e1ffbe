/**
 * The bundled model against PyTorch: token ids, logits, and greedy answers through the whole engine.
 * training/golden.py wrote the fixture.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/base/clock.ts";
import { resolveModel } from "../../src/checkpoint/resolve.ts";
import { Engine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Model } from "../../src/model/model.ts";
import { loadTokenizer } from "../../src/text/load.ts";

const floats = z.string().transform((text) => {
  const bytes = Buffer.from(text, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
});
const ids = z.array(z.number());
const fixture = z
  .object({
    cases: z.array(
      z.object({
        text: z.string(),
        ids,
        logitsFp32: floats,
        logitsBf16: floats,
        greedy: ids,
        response: z.string(),
      }),
    ),
  })
  .parse(
    JSON.parse(
      readFileSync(
        fileURLToPath(new URL("../fixtures/gsm-tiny/golden.json", import.meta.url)),
        "utf8",
      ),
    ),
  );

const blockSize = 16;
const blocks = 128;
const tokenizer = loadTokenizer(resolveModel("bundled"));

/** Logits after the last token of a prompt that runs in one batch. */
function lastLogits(model: Model, prompt: readonly number[]): Float32Array {
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
        blockTable: Array.from({ length: Math.ceil(prompt.length / blockSize) }, (_, i) => i),
      },
    ],
    logitRows: Int32Array.of(prompt.length - 1),
  });
  return logits.read(0);
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function largest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? value) ? i : best), 0);
}

describe("the bundled model", () => {
  let model: Model;
  beforeEach(() => {
    model = loadModel({ spec: "bundled", maxBatchTokens: 2048, maxPositions: 2048 });
  });
  afterEach(() => model.close());

  test.each(fixture.cases)("has PyTorch's ids and logits: $ids.length tokens", (golden) => {
    expect(tokenizer.encode(golden.text)).toEqual(golden.ids);
    const logits = lastLogits(model, golden.ids);
    expect(logits.length).toBe(golden.logitsFp32.length);
    expect(cosine(logits, golden.logitsFp32)).toBeGreaterThanOrEqual(0.9999);
    expect(cosine(logits, golden.logitsBf16)).toBeGreaterThanOrEqual(0.9999);
    expect(largest(logits)).toBe(golden.greedy[0]);
  });

  test("answers all of them at once, token for token, in chunks of 256", () => {
    const limits = {
      maxModelLen: 2048,
      maxNumSeqs: 4,
      maxNumBatchedTokens: 256,
      blocks,
      blockSize,
      vocabSize: model.config.vocabSize,
    };
    const engine = new Engine(model, limits, 0, systemClock);
    for (const [i, golden] of fixture.cases.entries()) {
      engine.add({
        id: String(i),
        promptTokenIds: golden.ids,
        params: {
          maxTokens: golden.greedy.length,
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
    const tokens = fixture.cases.map((): number[] => []);
    while (engine.hasWork) {
      for (const { id, tokenId } of engine.step()) {
        if (tokenId !== undefined) tokens[Number(id)]?.push(tokenId);
      }
    }
    expect(tokens).toEqual(fixture.cases.map((golden) => golden.greedy));
    expect(tokens.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: false }))).toEqual(
      fixture.cases.map((golden) => golden.response),
    );
  });
});
