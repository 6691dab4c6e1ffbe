import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviceByName, devices } from "./devices.ts";
import {
  peakFlops,
  predictCrossover,
  predictDecodeMsPerToken,
  predictDecodeStep,
  predictPrefillMs,
} from "./predict.ts";
import { type FormatCost, type ModelShape, modelTraffic } from "./traffic.ts";

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
const bf16: FormatCost = { name: "bf16", bitsPerWeight: () => 16 };
const fp8: FormatCost = { name: "fp8", bitsPerWeight: (k) => 8 + 32 / k, operands: "fp8" };
const awq: FormatCost = { name: "awq", bitsPerWeight: () => 4.15625 };

describe("decode floors of the 8B model", () => {
  it.each([
    ["a100-sxm", 7.36, 3.94, 2.29],
    ["h100-sxm", 4.48, 2.4, 1.4],
    ["h100-pcie", 7.5, 4.02, 2.34],
    ["h200", 3.13, 1.67, 0.97],
    ["l40s", 17.37, 9.29, 5.41],
    ["l4", 50.0, 26.8, 15.6],
    ["rtx-4090", 14.9, 7.97, 4.64],
    ["b200", 1.88, 1.0, 0.58],
    ["mi300x", 2.83, 1.52, 0.88],
  ])("%s matches the published table", (name, ...floors) => {
    const device = deviceByName(name);
    for (const [index, format] of [bf16, fp8, awq].entries()) {
      const { ms, bound } = predictDecodeMsPerToken(llama8b, format, {}, device, 1, 0);
      expect(bound).toBe("memory");
      expect(Math.abs(ms - (floors[index] ?? 0)) / ms).toBeLessThan(0.01);
    }
  });
});

describe("peaks", () => {
  it("are dense: FP8 is twice BF16 wherever it exists", () => {
    for (const device of devices) {
      const { bf16: base, fp8: eight } = device.flopsPerSecond;
      if (eight !== undefined) expect(eight / base).toBeCloseTo(2, 1);
    }
  });

  it("widens FP8 to BF16 on a device without it", () => {
    expect(peakFlops(deviceByName("a100-pcie"), "fp8")).toBe(312e12);
    expect(peakFlops(deviceByName("h100-sxm"), "fp8")).toBe(1978.9e12);
  });

  it("makes a long prompt compute-bound, and FP8's linears twice as fast", () => {
    const device = deviceByName("h100-sxm");
    const slow = predictPrefillMs(llama8b, bf16, {}, device, 2048);
    const fast = predictPrefillMs(llama8b, fp8, {}, device, 2048);
    const four = predictPrefillMs(llama8b, awq, {}, device, 2048);
    expect(slow.bound).toBe("compute");
    expect(slow.ms / fast.ms).toBeGreaterThan(1.8);
    expect(slow.ms / fast.ms).toBeLessThan(2);
    expect(four.computeMs).toBe(slow.computeMs);
  });

  it("names a device that is not there and those that are", () => {
    expect(() => deviceByName("h300")).toThrow(/"h300" is not a device/);
  });
});

describe("efficiency", () => {
  it("scales the bound it belongs to", () => {
    const model = modelTraffic(llama8b, bf16, {});
    const device = deviceByName("h100-sxm");
    const floor = predictDecodeStep(model, device, 1, 512);
    const half = predictDecodeStep(model, device, 1, 512, { memory: 0.5, compute: 1 });
    expect(half.ms).toBeCloseTo(2 * floor.ms, 9);
  });
});

describe("predicted crossover", () => {
  const decode = (format: FormatCost, name: string) => {
    const model = modelTraffic(llama8b, format, {});
    return (batch: number) => predictDecodeStep(model, deviceByName(name), batch, 0).ms;
  };

  it("lets FP8 overtake AWQ on an H100 where AWQ turns compute-bound", () => {
    const found = predictCrossover(decode(awq, "h100-sxm"), decode(fp8, "h100-sxm"));
    expect(found.kind).toBe("crosses");
    expect(found.fasterBelow).toBe("a");
    expect(found.batch).toBeGreaterThan(150);
    expect(found.batch).toBeLessThan(175);
  });

  it("lets AWQ and BF16 meet near BF16's ridge point, without crossing", () => {
    const found = predictCrossover(decode(bf16, "h100-sxm"), decode(awq, "h100-sxm"));
    expect(found.kind).toBe("meets");
    expect(found.fasterBelow).toBe("b");
    expect(found.batch).toBeGreaterThan(285);
    expect(found.batch).toBeLessThan(310);
  });

  it("finds none between BF16 and FP8, which is faster everywhere", () => {
    const found = predictCrossover(decode(bf16, "h100-sxm"), decode(fp8, "h100-sxm"));
    expect(found).toMatchObject({ kind: "none", fasterBelow: "b", upTo: 1024 });
  });

  it("finds the first batch of two lines, whichever is first", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 900 }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        (at, slope) => {
          const level = () => 1000;
          const rising = (batch: number) => 1000 * (1 + slope * (batch - at));
          const found = predictCrossover(level, rising);
          expect(found.kind).toBe("crosses");
          expect(found.fasterBelow).toBe("b");
          expect(Math.abs((found.batch ?? 0) - at)).toBeLessThanOrEqual(1);
          expect(predictCrossover(rising, level)).toEqual({ ...found, fasterBelow: "a" });
        },
      ),
    );
  });
});
