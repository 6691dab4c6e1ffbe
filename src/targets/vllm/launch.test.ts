import { describe, expect, it } from "vitest";
import { shapeConfig } from "../../checkpoint/shapes.ts";
import type { TargetRequest } from "../target.ts";
import { flagRows } from "./flags.ts";
import { launchArguments, launchEnvironment, type LaunchInput } from "./launch.ts";
import { vllmOptionsSchema } from "./options.ts";
import { quantizationOf } from "./quantization.ts";
import { compareVersions, isInRange, parseVersion, parseVersionOutput } from "./version.ts";

const request: TargetRequest = {
  model: "/models/m",
  format: "bf16",
  maxModelLen: 2048,
  maxNumSeqs: 64,
  threads: undefined,
  seed: 0,
};

function input(version: string, changes: Partial<LaunchInput> = {}): LaunchInput {
  return {
    request,
    options: {},
    model: {
      path: "/models/m",
      hasDummyWeights: false,
      config: undefined,
      trained: true,
      fileBytes: undefined,
    },
    version: parseVersion(version),
    isCpu: false,
    port: 8123,
    servedName: "bf16",
    ...changes,
  };
}

describe("versions", () => {
  it("reads every way in which they are printed", () => {
    const text = (printed: string) => parseVersion(printed)?.text;
    expect(text("v0.13.0rc2.dev211+gd4d275173")).toBe("0.13.0rc2.dev211+gd4d275173");
    expect(parseVersion("0.32.0+cpu")).toMatchObject({ parts: [0, 32, 0], isCpuBuild: true });
    expect(parseVersionOutput("Some library 1.2 is here.\n0.30.0\n")?.text).toBe("0.30.0");
    expect(parseVersionOutput("no such thing")).toBeUndefined();
  });

  it("orders by number, and takes an unknown one for the newest", () => {
    const [a, b] = [parseVersion("0.9.2"), parseVersion("0.10.0")];
    expect(a !== undefined && b !== undefined && compareVersions(a, b)).toBeLessThan(0);
    expect(isInRange(undefined, { until: "0.10.0" })).toBe(false);
    expect(isInRange(undefined, { since: "0.10.0" })).toBe(true);
  });
});

describe("launchArguments", () => {
  it("hands on the KV cache's dtype, and sizes a CPU's cache for it", () => {
    const shape = shapeConfig("llama-3.1-8b");
    const of = (kvCacheDtype: TargetRequest["kvCacheDtype"]) => {
      const { model } = input("0.13.0");
      const asked = { request: { ...request, kvCacheDtype }, model: { ...model, config: shape } };
      const whole = input("0.13.0", { ...asked, isCpu: true });
      const words = launchArguments(whole);
      const at = words.indexOf("--kv-cache-dtype");
      return [at < 0 ? undefined : words[at + 1], launchEnvironment(whole).VLLM_CPU_KVCACHE_SPACE];
    };
    expect(of(undefined)).toEqual([undefined, "16"]);
    expect(of("bf16")).toEqual(["auto", "16"]);
    expect(of("fp8")).toEqual(["fp8", "8"]);
  });

  it("states what has a default, and leaves out what a version does not know", () => {
    const old = launchArguments(input("0.9.2"));
    expect(old.slice(0, 2)).toEqual(["serve", "/models/m"]);
    expect(old).toContain("--disable-log-requests");
    expect(old).toContain("--disable-uvicorn-access-log");
    const recent = launchArguments(input("0.32.0"));
    expect(recent).not.toContain("--disable-log-requests");
    expect(recent).not.toContain("--disable-uvicorn-access-log");
    expect(recent.join(" ")).toBe(
      "serve /models/m --served-model-name bf16 --host 127.0.0.1 --port 8123 --dtype bfloat16 --max-model-len 2048 --max-num-seqs 64 --max-num-batched-tokens 8192 --gpu-memory-utilization 0.9 --tensor-parallel-size 1 --no-enable-prefix-caching --generation-config vllm --seed 0 --disable-access-log-for-endpoints /health,/metrics",
    );
    expect(new Set(flagRows.map((row) => row.why).filter((why) => why === ""))).toEqual(new Set());
  });

  it("passes parallel sizes, further flags and environment through", () => {
    const options = vllmOptionsSchema.parse({
      tensorParallelSize: 4,
      pipelineParallelSize: 2,
      gpuMemoryUtilization: 0.8,
      extraArgs: {
        "enforce-eager": true,
        "kv-cache-dtype": "fp8",
        nnodes: 2,
        "async-scheduling": false,
      },
      env: { NCCL_DEBUG: "INFO" },
    });
    const words = launchArguments(input("0.32.0", { options })).join(" ");
    expect(words).toContain(
      "--gpu-memory-utilization 0.8 --tensor-parallel-size 4 --pipeline-parallel-size 2",
    );
    expect(words).toContain(
      "--enforce-eager --kv-cache-dtype fp8 --nnodes 2 --no-async-scheduling",
    );
    expect(launchEnvironment(input("0.32.0", { options }))).toMatchObject({ NCCL_DEBUG: "INFO" });
  });

  it("refuses flags that are the lab's own, with the key to use instead", () => {
    const refused = vllmOptionsSchema.safeParse({ extraArgs: { "max-model-len": 4096 } });
    expect(refused.error?.issues[0]?.message).toContain("set maxModelLen of lab.yaml");
    expect(vllmOptionsSchema.safeParse({ extraArgs: { "--x": 1 } }).success).toBe(false);
  });

  it("sizes the CPU build's cache by the sequences that may run", () => {
    const environment = launchEnvironment({
      ...input("0.32.0+cpu", { isCpu: true }),
      request: { ...request, threads: 2 },
    });
    expect(environment).toMatchObject({
      VLLM_CPU_KVCACHE_SPACE: "16",
      VLLM_CPU_OMP_THREADS_BIND: "0-1",
    });
    const model = { ...input("0.32.0").model, config: shapeConfig("llama-3.1-8b") };
    const known = launchEnvironment({ ...input("0.32.0+cpu", { isCpu: true }), model });
    // 64 sequences of 2,048 tokens at 128 KiB each.
    expect(known.VLLM_CPU_KVCACHE_SPACE).toBe("16");
    const one = { ...request, maxNumSeqs: 1 };
    const small = launchEnvironment({ ...input("0.32.0", { isCpu: true }), model, request: one });
    expect(small.VLLM_CPU_KVCACHE_SPACE).toBe("1");
  });
});

describe("quantizationOf", () => {
  const ask = (format: string, version: string, changes = {}) =>
    quantizationOf(
      { format, kernel: undefined, isReadyCheckpoint: false, isCpu: false, ...changes },
      parseVersion(version),
    );

  it("asks for FP8 from a BF16 checkpoint by the version's word, and for none from a ready one", () => {
    expect(ask("fp8", "0.9.2").flag).toBe("fp8");
    expect(ask("fp8", "0.30.0").flag).toBe("fp8_per_tensor");
    expect(ask("fp8", "0.32.0", { isReadyCheckpoint: true }).flag).toBeUndefined();
    expect(ask("bf16", "0.32.0")).toEqual({ flag: undefined, dtype: "bfloat16" });
  });

  it("leaves AWQ's kernel to vLLM, and forces the plain one only where it still is", () => {
    expect(ask("awq", "0.9.2", { isReadyCheckpoint: true }).flag).toBeUndefined();
    expect(ask("awq", "0.9.2", { isReadyCheckpoint: true, kernel: "plain" })).toEqual({
      flag: "awq",
      dtype: "float16",
    });
    expect(() => ask("awq", "0.32.0", { isReadyCheckpoint: true, kernel: "plain" })).toThrow(
      /plain awq kernel cannot be forced in vLLM 0\.32\.0/,
    );
    expect(() => ask("awq", "0.32.0")).toThrow(/does not quantize to AWQ/);
    expect(() => ask("fp8", "0.32.0", { kernel: "plain" })).toThrow(/no kernel "plain"/);
  });
});
