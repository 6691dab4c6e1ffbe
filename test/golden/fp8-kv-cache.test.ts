/**
 * The bundled model with an FP8 KV cache, with scales of 1 and with calibrated ones, against PyTorch's
 * logits and answers; and that prefix caching and preemption change nothing of it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/base/clock.ts";
import { resolveModel } from "../../src/checkpoint/resolve.ts";
import { Engine } from "../../src/engine/engine.ts";
import { formatByName } from "../../src/formats/registry.ts";
import { loadModel } from "../../src/model/load.ts";
import { quantizeModel } from "../../src/quantization/quantize-model.ts";

const ids = z.array(z.number());
const floats = z.string().transform((text) => {
  const bytes = Buffer.from(text, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
});
const { cases } = z
  .object({ cases: z.array(z.object({ ids, logitsFp32: floats, greedy: ids })) })
  .parse(
    JSON.parse(
      readFileSync(
        fileURLToPath(new URL("../fixtures/gsm-tiny/golden.json", import.meta.url)),
        "utf8",
      ),
    ),
  );

const folder = mkdtempSync(join(tmpdir(), "quantlab-fp8-kv-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Setting {
  readonly blocks: number;
  readonly prefixCaching: boolean;
  readonly prompts: typeof cases;
}

const roomy: Setting = { blocks: 160, prefixCaching: false, prompts: cases };
/** Together 38 blocks, the longest 21. */
const short: Setting = { ...roomy, prompts: cases.filter(({ ids }) => ids.length < 1000) };

/** All answers at once, each prompt twice where prefixes are to be found again. */
function answers(spec: string, setting: Setting) {
  const maxModelLen = 2048;
  const model = loadModel({
    spec,
    maxBatchTokens: 256,
    maxPositions: maxModelLen,
    kvCacheDtype: "fp8",
  });
  const { blocks, prefixCaching, prompts } = setting;
  const { vocabSize } = model.config;
  const limits = { maxModelLen, maxNumSeqs: 4, maxNumBatchedTokens: 256, blocks, blockSize: 16 };
  const engine = new Engine(model, { ...limits, vocabSize }, 0, systemClock, { prefixCaching });
  const tokens = new Map<string, number[]>();
  const run = (round: number) => {
    for (const [i, { ids, greedy }] of prompts.entries()) {
      tokens.set(`${round}-${i}`, []);
      const params = { maxTokens: greedy.length, minTokens: 0, temperature: 0, topK: 0, topP: 1 };
      engine.add({
        id: `${round}-${i}`,
        promptTokenIds: ids,
        params: { ...params, seed: undefined, ignoreEos: true, stopTokenIds: [] },
      });
    }
    while (engine.hasWork) {
      for (const { id, tokenId } of engine.step()) {
        if (tokenId !== undefined) tokens.get(id)?.push(tokenId);
      }
    }
    return prompts.map((_, i) => tokens.get(`${round}-${i}`) ?? []);
  };
  const rounds = [run(0), run(1)];
  const stats = engine.stats();
  model.close();
  return { rounds, stats };
}

/** KL divergence from PyTorch's distribution after a prompt, in nats. */
function divergenceOf(spec: string): number[] {
  return cases.map((golden) => {
    const model = loadModel({
      spec,
      maxBatchTokens: 2048,
      maxPositions: 2048,
      kvCacheDtype: "fp8",
    });
    model.allocateKvCache(128, 16);
    const rows = Int32Array.from(golden.ids, (_, i) => i);
    const blockTable = Array.from({ length: 128 }, (_, i) => i);
    const logits = model.forward({
      tokenIds: Int32Array.from(golden.ids),
      positions: rows,
      slots: rows,
      sequences: [{ firstRow: 0, rows: rows.length, contextLength: rows.length, blockTable }],
      logitRows: Int32Array.of(rows.length - 1),
    });
    const own = logSoftmax(logits.read(0));
    model.close();
    return logSoftmax(golden.logitsFp32).reduce(
      (sum, reference, i) => sum + Math.exp(reference) * (reference - (own[i] ?? 0)),
      0,
    );
  });
}

function logSoftmax(logits: Float32Array): number[] {
  const top = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  return Array.from(logits, (logit) => logit - top - total);
}

describe("an FP8 KV cache", () => {
  const calibrated = join(folder, "calibrated");
  beforeAll(async () => {
    const format = formatByName("fp8");
    const options = { layout: "compressed-tensors", granularity: "channel" } as const;
    const layout = format.layouts.find(({ name }) => name === options.layout);
    if (layout === undefined) throw new Error("fp8 has a compressed-tensors layout");
    await quantizeModel({
      ...{ model: resolveModel("bundled"), format, layout, options, out: calibrated, seed: 0 },
      sequences: cases.map((golden) => golden.ids.slice(0, 256)),
      kvCacheScales: true,
      settings: {},
      onProgress: () => {},
      signal: new AbortController().signal,
    });
  });

  test("gives PyTorch's answers token for token", () => {
    const { rounds } = answers("bundled", roomy);
    const expected = cases.map(({ greedy }) => greedy);
    expect(rounds).toEqual([expected, expected]);
  });

  test("costs little of the distribution, with scales and without", () => {
    for (const kl of divergenceOf("bundled")) expect(kl).toBeLessThan(1e-3);
    for (const kl of divergenceOf(calibrated)) expect(kl).toBeLessThan(1e-3);
  });

  test.each(["bundled", calibrated])(
    "%#: prefix caching and preemption change no token",
    (spec) => {
      const plain = answers(spec, short);
      const cached = answers(spec, { ...short, prefixCaching: true });
      expect(cached.rounds).toEqual(plain.rounds);
      expect(cached.stats.prefixHitTokens).toBeGreaterThan(0);
      const tight = answers(spec, { ...short, blocks: 24 });
      expect(tight.rounds).toEqual(plain.rounds);
      expect(tight.stats.preemptions).toBeGreaterThan(0);
    },
  );
});
