import { describe, expect, it } from "vitest";
import { devices } from "../roofline/devices.ts";
import { type PredictOptions, predict } from "./predict.ts";
import { forecastText } from "./predict-text.ts";

const options: PredictOptions = {
  model: "llama-3.1-8b",
  device: "h100-sxm",
  formats: ["bf16", "fp8", "awq"],
  batchSizes: [1, 16, 64],
  inputLen: 512,
  outputLen: 128,
  memoryUtilization: 0.9,
  kvCacheDtype: "bf16",
};

describe("predict for the 8B model on an H100", () => {
  it("has the exact bytes and floors of the specification, and a compute ratio of 2", async () => {
    const { rows, computeRatios } = await predict(options);
    // FP8 in the layout that quantlab writes: FP32 scales for each channel.
    expect(rows.map((row) => row.stepWeightBytes)).toEqual([
      15_009_849_344, 8_036_032_512, 4_677_181_440,
    ]);
    expect(rows.map((row) => row.decodeFloorMs.toFixed(2))).toEqual(["4.48", "2.40", "1.40"]);
    expect(rows.map((row) => row.weightBytes)).toEqual([
      16_060_522_496, 9_086_705_664, 5_727_854_592,
    ]);
    expect(computeRatios).toEqual({ bf16: 1, fp8: 2, awq: 1 });
  });

  it("is near the published measurements that its engine was fitted to", async () => {
    const { rows, engine } = await predict({ ...options, batchSizes: [1] });
    expect(engine.otherwise.overheadMs).toBeGreaterThan(1);
    for (const [index, published] of [7.07, 4.88, 4.4].entries()) {
      const cell = rows[index]?.cells[0];
      expect(Math.abs((cell?.ms ?? 0) / published - 1)).toBeLessThan(0.1);
    }
  });

  it("finds that FP8 overtakes AWQ by output tokens, as prompts are bound by compute", async () => {
    const { crossovers } = await predict(options);
    const found = crossovers.find(
      ({ a, b, metric }) => a === "fp8" && b === "awq" && metric === "throughput",
    );
    expect(found?.predicted).toMatchObject({ kind: "crosses", fasterBelow: "b" });
    const [low, high] = (found?.band ?? []).map(({ batch }) => batch ?? Number.NaN);
    expect(low).toBeLessThan(found?.predicted.batch ?? 0);
    expect(high).toBeGreaterThan(found?.predicted.batch ?? 0);
  });

  it("fits only what the memory holds", async () => {
    const { rows } = await predict({ ...options, device: "l4", batchSizes: [1, 1024] });
    const [bf16, , awq] = rows;
    // (0.9 * 24 GB - 16.06 GB) / 131,072 bytes a token / 640 tokens.
    expect(bf16?.maxSequences).toBe(66);
    expect(awq?.cells.map(({ fits }) => fits)).toEqual([true, false]);
    const fp8Cache = await predict({ ...options, device: "l4", kvCacheDtype: "fp8" });
    expect(fp8Cache.rows[0]?.kvBytesPerToken).toBe(65_536);
  });

  it("has floors alone on request, without a band", async () => {
    const { rows } = await predict({ ...options, fit: "none" });
    for (const cell of rows.flatMap((row) => row.cells)) expect(cell.highMs).toBe(cell.floorMs);
  });
});

describe("the text", () => {
  it.each(devices.map(({ name }) => name))("fits 100 columns for %s", async (device) => {
    const text = forecastText(await predict({ ...options, device, batchSizes: [1, 1024] }));
    const tables = text.split("\n").filter((line) => !/^(Source|Engine| {8}|\S+ on )/.test(line));
    expect(Math.max(...tables.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).toContain("Crossover");
  });
});

describe("wrong flags", () => {
  it("are refused with what is known", async () => {
    await expect(predict({ ...options, device: "h900" })).rejects.toThrow(/not a device/);
    await expect(predict({ ...options, kvCacheDtype: "int3" })).rejects.toThrow(/key-value cache/);
    await expect(predict({ ...options, model: "no/such-model" })).rejects.toThrow(/no folder/);
  });

  it("takes a hub id of a known shape for that shape", async () => {
    const { model } = await predict({ ...options, model: "meta-llama/Llama-3.1-8B-Instruct" });
    expect(model).toBe("llama-3.1-8b");
  });
});
