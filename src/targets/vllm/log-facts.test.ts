import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { factsOfLog, withoutPrefix } from "./log-facts.ts";
import { LoadProgress } from "./progress.ts";

const folder = fileURLToPath(new URL("../../../test/fixtures/vllm", import.meta.url));
const read = (path: string) => readFileSync(join(folder, path), "utf8");
const gib = 2 ** 30;

describe("factsOfLog", () => {
  it("reads the wording before the V1 engine", () => {
    expect(factsOfLog(read("starts/0.6.6-a100-bf16.log"))).toMatchObject({
      version: "0.6.6",
      device: "cuda",
      quantization: undefined,
      attentionBackend: "Flash Attention",
      weightBytes: Math.round(14.9888 * gib),
      kvCacheTokens: 27512 * 16,
      maxConcurrency: 107.47,
      cudaGraphs: "captured",
      cudaGraphBytes: Math.round(0.31 * gib),
      engineInitSeconds: 24.87,
      isWeightOnlyFp8: false,
    });
  });

  it("sees FP8 without FP8 arithmetic on Ampere", () => {
    expect(factsOfLog(read("starts/0.9.2-a100-fp8.log"))).toMatchObject({
      version: "0.9.2",
      quantization: "compressed-tensors",
      isWeightOnlyFp8: true,
      weightBytes: Math.round(8.493 * gib),
      kvCacheBytes: Math.round(61.05 * gib),
      kvCacheTokens: 500_112,
      loadSeconds: 3.9,
    });
  });

  it("names the kernel that was chosen: the forced plain one, and Marlin", () => {
    const kernels = (name: string) => factsOfLog(read(`starts/${name}`)).kernels;
    expect(kernels("0.9.2-h100-awq-plain.log")).toEqual(["awq (plain GEMM, forced)"]);
    expect(kernels("0.30.0-h100-awq.log")).toEqual(["MarlinLinearKernel"]);
  });

  it("adds up weights and cache over the ranks of a tensor-parallel server", () => {
    expect(factsOfLog(read("starts/0.13.0-h100-tp2-bf16.log"))).toMatchObject({
      version: "0.13.0",
      weightBytes: 2 * Math.round(7.5123 * gib),
      kvCacheBytes: 2 * Math.round(61.8 * gib),
      kvCacheTokens: 1_012_480,
      attentionBackend: "FLASH_ATTN",
    });
  });

  it("reads the log of a real 0.32.0 on a CPU, which does not report its weights", () => {
    expect(factsOfLog(read("recorded/0.32.0-cpu-bf16.log"))).toMatchObject({
      version: "0.32.0",
      device: "cpu",
      quantization: undefined,
      weightBytes: undefined,
      checkpointBytes: undefined,
      kvCacheBytes: gib,
      kvCacheTokens: 2_097_152,
      maxConcurrency: 8192,
      cudaGraphs: "off",
      engineInitSeconds: 1.53,
    });
    expect(factsOfLog(read("recorded/0.32.0-cpu-refused.fp8-not-on-cpu.log")).kernels).toEqual([
      "PerTensorTorchFP8ScaledMMLinearKernel",
    ]);
  });

  it("says nothing of an empty log", () => {
    const { kernels, warnings, isWeightOnlyFp8, ...others } = factsOfLog("");
    expect({ kernels, warnings, isWeightOnlyFp8 }).toEqual({
      kernels: [],
      warnings: [],
      isWeightOnlyFp8: false,
    });
    expect(Object.values(others).filter((value) => value !== undefined)).toEqual([]);
  });
});

describe("withoutPrefix", () => {
  it("takes off process tags, level, time and place", () => {
    expect(
      withoutPrefix(
        "(EngineCore_DP0 pid=2) (Worker_TP0 pid=3) ERROR 11-02 10:00:00 [core.py:93] ValueError: no",
      ),
    ).toBe("ValueError: no");
    expect(withoutPrefix("INFO 01-14 09:12:10 selector.py:120] Using it")).toBe("Using it");
  });
});

describe("LoadProgress", () => {
  it("goes forward only, in every version's wording", () => {
    for (const name of readdirSync(join(folder, "starts"))) {
      const progress = new LoadProgress();
      const shown = read(`starts/${name}`)
        .split("\n")
        .flatMap((line) => progress.read(line) ?? []);
      expect(new Set(shown).size, name).toBe(shown.length);
      expect(shown.length, name).toBeGreaterThanOrEqual(4);
    }
    const progress = new LoadProgress();
    const lines = read("starts/0.6.6-a100-bf16.log").split("\n");
    expect(lines.flatMap((line) => progress.read(line) ?? [])).toEqual([
      "reading its arguments",
      "starting the engine",
      "loading weights",
      "loading weights, 0 %",
      "loading weights, 50 %",
      "loading weights, 100 %",
      "weights loaded",
      "capturing CUDA graphs",
      "engine is up",
    ]);
  });
});
