import { createServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { QuantlabError } from "../base/errors.ts";
import type { Gpu } from "../targets/nvidia-smi.ts";
import { hubAccess } from "../targets/vllm/hub-access.ts";
import { parseVersion } from "../targets/vllm/version.ts";
import type { LabConfig } from "./config.ts";
import { checkVllm, type VllmSurroundings } from "./preflight-vllm.ts";

const config: LabConfig = {
  profile: "full",
  model: "dummy:llama-3.1-8b",
  target: "vllm",
  formats: [
    { label: "bf16", format: "bf16" },
    { label: "fp8", format: "fp8" },
    { label: "awq", format: "awq" },
  ],
  experiments: { memory: {} },
  repeats: 1,
  seed: 0,
  maxModelLen: 2048,
  maxNumSeqs: 64,
};

const gpu = (changes: Partial<Gpu> = {}): Gpu => ({
  index: 0,
  uuid: "GPU-aa",
  name: "NVIDIA H100 80GB HBM3",
  driver: "570",
  capability: "9.0",
  memoryBytes: 85e9,
  usedBytes: 0,
  powerLimitWatts: 700,
  ...changes,
});

async function checks(
  changes: Partial<LabConfig> = {},
  around: { version?: string; gpus?: readonly Gpu[]; hub?: VllmSurroundings["hub"] } = {},
) {
  const surroundings: VllmSurroundings = {
    version: async () => parseVersion(around.version ?? "0.30.0"),
    gpus: async () => around.gpus ?? [gpu()],
    hub: around.hub ?? (async () => ({ isUsable: true, detail: "cached", hint: undefined })),
  };
  const found = await checkVllm({ ...config, ...changes }, surroundings);
  return {
    found,
    bad: found
      .filter(({ status }) => status !== "pass")
      .map(({ name, status }) => `${name} ${status}`),
  };
}

describe("the preflight for vLLM", () => {
  it("passes where an H100 has room for all three formats", async () => {
    const { bad, found } = await checks();
    expect(bad).toEqual([]);
    expect(found.find(({ name }) => name === "gpu")?.detail).toContain("capability 9.0");
    expect(found.find(({ name }) => name === "GPU memory bf16")?.detail).toMatch(/weights 16\.\d/);
  });

  it("says what a capability means: a fallback to warn of, an impossible format to skip", async () => {
    const a100 = await checks({}, { gpus: [gpu({ capability: "8.0", name: "NVIDIA A100" })] });
    expect(a100.bad).toEqual(["format fp8 warn"]);
    const t4 = await checks({}, { gpus: [gpu({ capability: "7.0", name: "Tesla V100" })] });
    expect(t4.bad).toEqual(["format bf16 skip", "format fp8 skip", "format awq skip"]);
  });

  it("refuses weights that do not fit, a GPU that somebody holds, and too few GPUs", async () => {
    const small = await checks({}, { gpus: [gpu({ memoryBytes: 16e9 })] });
    expect(small.bad).toEqual(["GPU memory bf16 fail"]);
    const held = await checks({}, { gpus: [gpu({ usedBytes: 60e9 })] });
    expect(held.bad).toContain("GPU memory awq fail");
    const few = await checks({ vllm: { tensorParallelSize: 4 } });
    expect(few.bad).toContain("gpu fail");
  });

  it("refuses what the version has no way to serve, and a missing program", async () => {
    const formats = [{ label: "plain", format: "awq", kernel: "plain", checkpoint: "org/awq" }];
    expect((await checks({ formats })).bad).toEqual(["format plain fail"]);
    expect((await checks({ formats }, { version: "0.9.2" })).bad).toEqual([]);
    const surroundings: VllmSurroundings = {
      version: async () => {
        throw new QuantlabError("target-failed", "there is no program");
      },
      gpus: async () => [],
      hub: async () => ({ isUsable: true, detail: "", hint: undefined }),
    };
    const [first] = await checkVllm(config, surroundings);
    expect(first).toMatchObject({ name: "vllm", status: "fail" });
  });

  it("refuses a model that cannot be loaded here, with the hub's reason", async () => {
    const hub = async () => ({ isUsable: false, detail: "gated", hint: "log in" });
    const { found } = await checks({ model: "meta-llama/Llama-3.1-8B-Instruct" }, { hub });
    expect(found.find(({ name }) => name === "format bf16")).toMatchObject({
      status: "fail",
      detail: "gated",
      hint: "log in",
    });
  });
});

describe("hubAccess", () => {
  const id = "org/model";
  async function withHub(status: number, token?: string) {
    const server = createServer((_, response) => {
      response.statusCode = status;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const home = await mkdtemp(join(tmpdir(), "quantlab-hub-"));
    try {
      const env = { HF_HOME: home, HF_ENDPOINT: `http://127.0.0.1:${port}` };
      return await hubAccess(id, token === undefined ? env : { ...env, HF_TOKEN: token });
    } finally {
      server.close();
      await rm(home, { recursive: true });
    }
  }

  it("tells a missing token from a missing permission and from a missing model", async () => {
    expect((await withHub(200)).isUsable).toBe(true);
    expect((await withHub(401)).detail).toContain("no token was given");
    expect((await withHub(403, "t")).detail).toContain("has no permission");
    expect((await withHub(404, "t")).detail).toContain("there is no model org/model");
    expect((await withHub(500)).hint).toContain("hf download org/model");
  });

  it("needs no hub for what is in the cache, and says so when offline", async () => {
    const home = await mkdtemp(join(tmpdir(), "quantlab-hub-"));
    const env = { HF_HOME: home, HF_HUB_OFFLINE: "1" };
    expect(await hubAccess(id, env)).toMatchObject({
      isUsable: false,
      detail: expect.stringContaining("HF_HUB_OFFLINE"),
    });
    const snapshot = join(home, "hub", "models--org--model", "snapshots", "abc");
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(snapshot, "config.json"), "{}");
    expect((await hubAccess(id, env)).isUsable).toBe(true);
    await rm(home, { recursive: true });
  });
});
