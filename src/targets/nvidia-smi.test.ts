import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gpuUsage } from "./gpu-usage.ts";
import {
  type GpuSample,
  GpuSampler,
  parseGpus,
  parseSample,
  readGpus,
  visibleGpus,
} from "./nvidia-smi.ts";

const two = `0, GPU-aa, NVIDIA H100 80GB HBM3, 570.86.15, 9.0, 81559, 0, 700.00
1, GPU-bb, NVIDIA H100 80GB HBM3, 570.86.15, 9.0, 81559, 1024, 700.00`;

const sample = (wallMs: number, watts: number | undefined, uuid = "GPU-aa"): GpuSample => ({
  wallMs,
  uuid,
  usedBytes: 1e9,
  watts,
  utilizationPercent: 90,
  celsius: 50,
  smMhz: 1980,
});

describe("parsing", () => {
  it("reads GPUs, and takes what is not supported for missing", () => {
    expect(parseGpus(two)[1]).toEqual({
      index: 1,
      uuid: "GPU-bb",
      name: "NVIDIA H100 80GB HBM3",
      driver: "570.86.15",
      capability: "9.0",
      memoryBytes: 81559 * 2 ** 20,
      usedBytes: 1024 * 2 ** 20,
      powerLimitWatts: 700,
    });
    const [mig] = parseGpus("0, GPU-aa, NVIDIA A100, 570, 8.0, [N/A], [Not Supported], [N/A]");
    expect(mig).toMatchObject({ memoryBytes: undefined, usedBytes: undefined });
    expect(parseGpus("NVIDIA-SMI has failed because it could not talk to the driver")).toEqual([]);
  });

  it("drops a line that was cut off", () => {
    expect(parseSample("GPU-aa, 70000, 512.30, 98, 61, 1755", 5)).toMatchObject({ watts: 512.3 });
    expect(parseSample("GPU-aa, 70000, 512", 5)).toBeUndefined();
    expect(parseSample("GPU-aa, 70000, [N/A], 98, 61, 1755", 5)?.watts).toBeUndefined();
  });

  it("takes the GPUs that CUDA_VISIBLE_DEVICES names, by index or by id", () => {
    const gpus = parseGpus(two);
    const chosen = (visible: string | undefined) => visibleGpus(gpus, visible).map((g) => g.uuid);
    expect(chosen("1")).toEqual(["GPU-bb"]);
    expect(chosen("GPU-aa")).toEqual(["GPU-aa"]);
    expect(chosen(undefined)).toEqual(["GPU-aa", "GPU-bb"]);
    // A cgroup shows one GPU, while the variable still counts the node's.
    expect(visibleGpus(gpus.slice(0, 1), "3").length).toBe(1);
  });
});

describe("gpuUsage", () => {
  it("integrates power over the window alone, between the samples around it", () => {
    const samples = [sample(0, 100), sample(1_000, 300), sample(2_000, 300), sample(3_000, 100)];
    const usage = gpuUsage(samples, 500, 2_500);
    // 0.5 s from 200 to 300 W, 1 s at 300 W, 0.5 s from 300 to 200 W.
    expect(usage.energyJoules).toBeCloseTo(125 + 300 + 125);
    expect(usage.meanWatts).toBeCloseTo(275);
    expect(usage.samples).toBe(2);
  });

  it("adds up GPUs, and knows no energy where one does not say or samples do not span the window", () => {
    const both = [0, 1_000].flatMap((at) => [sample(at, 100), sample(at, 50, "GPU-bb")]);
    expect(gpuUsage(both, 0, 1_000)).toMatchObject({ energyJoules: 150, peakUsedBytes: 2e9 });
    const silent = [0, 1_000].flatMap((at) => [sample(at, 100), sample(at, undefined, "GPU-bb")]);
    expect(gpuUsage(silent, 0, 1_000).energyJoules).toBeUndefined();
    expect(gpuUsage([sample(400, 100), sample(600, 100)], 0, 1_000).energyJoules).toBeUndefined();
    expect(gpuUsage([], 0, 1_000)).toMatchObject({ samples: 0, meanWatts: undefined });
  });
});

describe("a program that answers as nvidia-smi does", () => {
  let folder = "";
  const { PATH } = process.env;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantlab-smi-"));
    const program = join(folder, "nvidia-smi");
    await writeFile(
      program,
      `#!/bin/sh\ncase "$*" in *-lms*) while :; do echo "GPU-aa, 100, 250.0, 99, 60, 1900"; sleep 0.05; done;; esac\ncat <<END\n${two}\nEND\n`,
    );
    await chmod(program, 0o755);
    process.env.PATH = `${folder}:${PATH}`;
  });
  afterEach(async () => {
    process.env.PATH = PATH;
    await rm(folder, { recursive: true, force: true });
  });

  it("is asked for GPUs and sampled until stopped", async () => {
    const gpus = (await readGpus("0")) ?? [];
    expect(gpus.map((gpu) => gpu.uuid)).toEqual(["GPU-aa"]);
    const sampler = new GpuSampler(gpus);
    await sampler.stop();
    const { length } = sampler.samples;
    expect(length).toBeGreaterThan(0);
    expect(sampler.samples[0]).toMatchObject({ uuid: "GPU-aa", watts: 250, smMhz: 1900 });
  });

  it("is not there: no GPUs are known", async () => {
    process.env.PATH = "/nonexistent";
    expect(await readGpus()).toBeUndefined();
  });
});
