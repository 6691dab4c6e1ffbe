import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type FormatCost,
  type ModelShape,
  modelTraffic,
  predictWeightBytes,
  stepTraffic,
  trafficOf,
} from "./traffic.ts";

const llama8b: ModelShape = {
  hiddenSize: 4096,
  intermediateSize: 14336,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  vocabSize: 128256,
  tieWordEmbeddings: false,
  qkvBias: false,
  qkNorm: false,
};
const llama1b: ModelShape = {
  ...llama8b,
  hiddenSize: 2048,
  intermediateSize: 8192,
  layers: 16,
  headDim: 64,
  tieWordEmbeddings: true,
};
const smol: ModelShape = {
  ...llama1b,
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  vocabSize: 49152,
};

/** Costs written out here from the specification, so that a format's mistake cannot hide. */
const bf16: FormatCost = { name: "bf16", bitsPerWeight: () => 16 };
const fp8: FormatCost = { name: "fp8", bitsPerWeight: (k) => 8 + 32 / k, operands: "fp8" };
const awq: FormatCost = {
  name: "awq",
  bitsPerWeight: (_, { groupSize = 128 }) => 4 + 20 / groupSize,
};

describe("weight bytes", () => {
  it.each([
    ["8B", llama8b, bf16, {}, 16_060_522_496],
    ["8B", llama8b, fp8, {}, 9_086_705_664],
    ["8B", llama8b, awq, {}, 5_727_854_592],
    ["1B", llama1b, bf16, {}, 2_471_628_800],
    ["1B", llama1b, fp8, {}, 1_500_057_600],
    ["1B", llama1b, awq, {}, 1_031_016_448],
    ["1B", llama1b, awq, { groupSize: 64 }, 1_050_021_888],
    ["135M", smol, bf16, {}, 269_030_016],
    ["135M", smol, fp8, {}, 163_483_776],
    ["135M", smol, awq, { groupSize: 64 }, 113_924_736],
  ] as const)(
    "%s in %o has the bytes of the checkpoint layout",
    (_, shape, format, options, bytes) => {
      expect(predictWeightBytes(shape, format, options).totalBytes).toBe(bytes);
    },
  );

  it.each([
    [llama8b, 8_030_261_248],
    [llama1b, 1_235_814_400],
    [smol, 134_515_008],
  ])("counts the parameters", (shape, parameters) => {
    expect(modelTraffic(shape, bf16, {}).parameters).toBe(parameters);
  });

  it("counts biases of q, k, v and the norms of queries and keys", () => {
    const plain = predictWeightBytes(llama1b, bf16, {}).normBytes;
    const biased = predictWeightBytes({ ...llama1b, qkvBias: true }, bf16, {}).normBytes;
    const normed = predictWeightBytes({ ...llama1b, qkNorm: true }, bf16, {}).normBytes;
    expect(biased - plain).toBe(2 * 16 * (32 + 16) * 64);
    expect(normed - plain).toBe(2 * 2 * 16 * 64);
  });
});

describe("step traffic", () => {
  it.each([
    [llama8b, bf16, {}, 15_009_849_344],
    [llama8b, awq, {}, 4_677_181_440],
    [llama1b, bf16, {}, 2_471_628_800],
    [llama1b, awq, {}, 1_031_016_448],
    [smol, awq, { groupSize: 64 }, 113_924_736],
  ] as const)("reads linears, head and norms once", (shape, format, options, bytes) => {
    expect(modelTraffic(shape, format, options).stepWeightBytes).toBe(bytes);
  });

  it("adds embedding rows and the cache of every sequence", () => {
    const step = { batch: 3, contextLength: 640, newTokensPerSequence: 1 };
    const traffic = stepTraffic(llama8b, bf16, {}, step);
    expect(traffic.weightBytes).toBe(15_009_849_344 + 3 * 8192);
    expect(traffic.kvBytes).toBe(3 * 641 * 131_072);
    const fp8Cache = stepTraffic(llama8b, bf16, {}, step, 1);
    expect(fp8Cache.kvBytes * 2).toBe(traffic.kvBytes);
  });

  it("does 2 FLOP per weight and token, and causal attention over the context", () => {
    const one = stepTraffic(
      llama8b,
      bf16,
      {},
      {
        batch: 1,
        contextLength: 1,
        newTokensPerSequence: 1,
      },
    );
    expect(one.linearFlops).toBe(2 * 6_979_321_856);
    expect(one.otherFlops).toBe(2 * 525_336_576 + 4 * 32 * 128 * 32);
  });

  it("sums a prompt in chunks to the attention of the prompt at once", () => {
    const model = modelTraffic(llama1b, bf16, {});
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (chunks) => {
          let context = 0;
          let pairs = 0;
          for (const chunk of chunks) {
            context += chunk;
            const step = { batch: 1, contextLength: context, newTokensPerSequence: chunk };
            pairs += trafficOf(model, step).otherFlops - model.headFlopsPerLogitRow;
          }
          const whole = { batch: 1, contextLength: context, newTokensPerSequence: context };
          expect(pairs).toBe(trafficOf(model, whole).otherFlops - model.headFlopsPerLogitRow);
        },
      ),
    );
  });
});

describe("a head in another format", () => {
  const head = { format: "fp8", bitsPerWeight: 8 + 32 / 2048 };

  it("is a matrix of its own beside the tied embedding, and what a step reads instead of it", () => {
    const plain = modelTraffic(llama1b, bf16, {});
    const quantized = modelTraffic(llama1b, bf16, {}, 2, head);
    const bytes = (128256 * 2048 * (8 + 32 / 2048)) / 8;
    expect(quantized.lmHead).toBe("fp8");
    expect(quantized.weights.headBytes).toBe(bytes);
    expect(quantized.weights.totalBytes).toBe(plain.weights.totalBytes + bytes);
    expect(quantized.stepWeightBytes).toBe(plain.stepWeightBytes - 2 * 128256 * 2048 + bytes);
  });

  it("replaces a head that is not tied", () => {
    const plain = modelTraffic(llama8b, bf16, {});
    const quantized = modelTraffic(llama8b, bf16, {}, 2, { format: "fp8", bitsPerWeight: 8 });
    expect(plain.weights.totalBytes - quantized.weights.totalBytes).toBe(128256 * 4096);
    expect(plain.stepWeightBytes - quantized.stepWeightBytes).toBe(128256 * 4096);
  });
});
