import { describe, expect, it } from "vitest";
import { cellPath, type Machine } from "../results/run.ts";
import { chooseModel, planBudgetMs } from "./choose-model.ts";
import { completeConfig } from "./complete.ts";
import { drawPlan, hashesOf, requireSameRequests } from "./frozen.ts";
import { planRun } from "./plan.ts";
import { preflight, refuseOnFailure } from "./preflight.ts";
import { profileByName } from "./profiles.ts";

const machine: Machine = {
  cpuModel: "test",
  cores: 2,
  memoryBytes: 24e9,
  os: "test",
  node: process.version,
  isa: "avx512",
  features: [],
  threads: 2,
  readBandwidthBytesPerSecond: 30e9,
  bf16FlopsPerSecond: 240e9,
};
const { draft } = profileByName("quick");
const config = completeConfig({ ...draft, repeats: 2 }, "dummy:tiny");

describe("planRun", () => {
  it("interleaves the formats over repeats, a block for each server", () => {
    const plan = planRun(config, machine);
    expect(plan.blocks.map((block) => `${block.entry.label}/${block.repeat}`)).toEqual([
      "bf16/0",
      "fp8/0",
      "awq/0",
      "awq/1",
      "fp8/1",
      "bf16/1",
      // Answers, once each, by the bundled model.
      "bf16/0",
      "fp8/0",
      "awq/0",
      "int4-rtn/0",
    ]);
  });

  it("plans every experiment of the configuration once for each format and repeat", () => {
    const cells = planRun(config, machine).blocks.flatMap((block) => block.cells);
    expect(new Set(cells.map((cell) => cellPath(cell.key))).size).toBe(cells.length);
    expect(
      cells.filter((cell) => cell.key.format === "fp8" && cell.key.repeat === 1),
    ).toMatchObject([
      { requestsId: "latency/batch-1" },
      { requestsId: "throughput/batch-1" },
      { requestsId: "throughput/batch-16" },
      { requestsId: "throughput/batch-64" },
      { requestsId: "serving/rate-1" },
      { requestsId: "serving/rate-inf" },
      { requestsId: "memory/loaded" },
    ]);
  });

  it("predicts longer times for larger shapes and slower machines", () => {
    const ms = (model: string, on: Machine) => planRun({ ...config, model }, on).predictedMs;
    const slow = { ...machine, readBandwidthBytesPerSecond: 3e9, bf16FlopsPerSecond: 24e9 };
    expect(ms("dummy:smollm2-135m", machine)).toBeLessThan(ms("dummy:llama-3.2-1b", machine));
    expect(ms("dummy:smollm2-135m", machine)).toBeLessThan(ms("dummy:smollm2-135m", slow));
  });
});

describe("chooseModel", () => {
  it("takes the largest shape that fits time and memory", () => {
    const fast = {
      ...machine,
      readBandwidthBytesPerSecond: 1e12,
      bf16FlopsPerSecond: 1e14,
      threads: 96,
    };
    expect(chooseModel(draft, { ...fast, memoryBytes: 256e9 }).model).toBe("dummy:llama-3.1-8b");
    expect(chooseModel(draft, { ...fast, memoryBytes: 16e9 }).model).toBe("dummy:llama-3.2-1b");
    const chosen = chooseModel(draft, machine);
    expect(chosen.model).toBe("dummy:smollm2-135m");
    expect(planRun(chosen, machine).predictedMs).toBeLessThan(planBudgetMs);
  });

  it("takes the smallest where none fits, and what the draft says where it says", () => {
    const slow = { ...machine, readBandwidthBytesPerSecond: 1e8, bf16FlopsPerSecond: 1e9 };
    expect(chooseModel(draft, slow).model).toBe("dummy:smollm2-135m");
    expect(chooseModel({ ...draft, model: "dummy:tiny" }, slow).model).toBe("dummy:tiny");
  });
});

describe("drawPlan", () => {
  it("draws the same requests again, and warms up with other prompts", async () => {
    const plan = planRun(config, machine);
    const [first, second] = [await drawPlan(plan), await drawPlan(plan)];
    expect(hashesOf(first)).toEqual(hashesOf(second));
    expect(() => requireSameRequests(hashesOf(first), second)).not.toThrow();
    const serving = first.get("serving/rate-1");
    const measured = new Set(serving?.measured.requests.map((request) => `${request.prompt}`));
    for (const request of serving?.warmup.requests ?? []) {
      expect(measured).not.toContain(`${request.prompt}`);
    }
  });

  it("refuses to resume with other requests", async () => {
    const plan = planRun(config, machine);
    const drawn = await drawPlan(plan);
    const others = await drawPlan(planRun({ ...config, seed: 7 }, machine));
    expect(() => requireSameRequests(hashesOf(drawn), others)).toThrow(/latency\/batch-1 are not/);
  });
});

describe("preflight", () => {
  const check = async (changes: object, availableBytes = 20e9) => {
    const changed = { ...config, ...changes };
    const plan = planRun(changed, machine);
    return preflight({ config: changed, plan, machine, out: "runs", availableBytes });
  };
  const failures = async (...input: Parameters<typeof check>) =>
    (await check(...input)).filter(({ status }) => status === "fail").map(({ name }) => name);

  it("passes on a machine that can run the plan, and names what is skipped", async () => {
    const checks = await check({});
    expect(checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(checks.find(({ name }) => name === "questions")?.detail).toMatch(
      /^200 of 1290 in .*, asked of bundled$/,
    );
    expect(() => refuseOnFailure(checks)).not.toThrow();
    const elsewhere = await check({ target: "endpoint", baseUrl: "http://127.0.0.1:1" });
    expect(elsewhere.filter(({ status }) => status === "skip")).toMatchObject([
      { name: "accuracy", detail: expect.stringContaining("not trained") },
      { name: "divergence" },
    ]);
  });

  it("refuses what would fail later, with everything that is wrong at once", async () => {
    expect(await failures({ model: "dummy:llama-3.1-8b" }, 4e9)).toEqual(["memory"]);
    expect(await failures({ target: "endpoint" })).toEqual(["target"]);
    const endpoint = { target: "endpoint", baseUrl: "http://127.0.0.1:1" };
    const status = async (changes: object) =>
      (await check({ ...endpoint, ...changes })).find(({ name }) => name === "target")?.status;
    expect(await status({ formats: [{ label: "a", format: "awq" }] })).toBe("pass");
    const both = ["bf16", "awq"].map((format) => ({ label: format, format }));
    expect(await status({ formats: both })).toBe("warn");
    expect(await failures({ maxModelLen: 4096 })).toEqual(["model"]);
    expect(await failures({ budget: { memoryGb: 0.001 } })).toEqual(["memory"]);
    const serving = { ...config.experiments.serving, dataset: "sharegpt", path: "no/such.json" };
    expect(await failures({ experiments: { serving } })).toEqual(["data set"]);
    const accuracy = { task: "gsm8k", path: "no/test.jsonl", numFewshot: 0, limit: 5 };
    expect(await failures({ experiments: { accuracy } })).toEqual(["questions"]);
    const plain = (format: string) => ({ label: format, format, kernel: "plain" });
    expect(await failures({ formats: [plain("awq")] })).toEqual([]);
    expect(await failures({ formats: [plain("fp8")] })).toEqual(["format fp8"]);
    const marlin = { label: "a", format: "awq", kernel: "marlin" };
    expect(await failures({ formats: [marlin] })).toEqual(["format a"]);
    const checks = await check({
      target: "vllm",
      maxModelLen: 4096,
      vllm: { command: ["/no/such/vllm"] },
    });
    expect(() => refuseOnFailure(checks)).toThrow(/model: .*\n {2}vllm: there is no program/);
  });
});
