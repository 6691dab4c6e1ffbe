import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import type { LabConfig } from "../experiments/config.ts";
import { drawPlan, hashesOf } from "../experiments/frozen.ts";
import { planRun } from "../experiments/plan.ts";
import { type MockServer, startMockServer } from "../openai/mock-server.ts";
import { cellPath, type Machine } from "../results/run.ts";
import { RunStore } from "../results/store.ts";
import { endpoint } from "../targets/endpoint.ts";
import type { Target } from "../targets/target.ts";
import { local } from "./local.ts";

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

const config: LabConfig = {
  profile: "quick",
  model: "dummy:tiny",
  target: "endpoint",
  formats: [
    { label: "bf16", format: "bf16" },
    { label: "awq", format: "awq" },
  ],
  experiments: {
    throughput: { batchSizes: [1, 2], inputLen: 4, outputLen: 3, rounds: 1 },
    accuracy: { task: "gsm8k", numFewshot: 8, limit: 1 },
  },
  repeats: 1,
  seed: 0,
  maxModelLen: 64,
  maxNumSeqs: 4,
};

let folder = "";
let mock: MockServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-local-"));
  mock = await startMockServer({ ttftMs: 0, itlMs: 0 });
});

afterEach(async () => {
  await mock.close();
  await rm(folder, { recursive: true, force: true });
});

/** A store for the plan, and a run of it against `target`. */
async function prepare() {
  const plan = planRun(config, machine);
  const requests = await drawPlan(plan);
  const store = await RunStore.create(folder, {
    quantlabVersion: "0",
    createdAt: "2026-01-01T00:00:00Z",
    config: { ...config },
    machine,
    cells: plan.blocks.flatMap((block) => block.cells.map((cell) => cell.key)),
    requestHashes: hashesOf(requests),
    seed: 0,
  });
  const finished: string[] = [];
  const run = (target: Target, signal: AbortSignal = new AbortController().signal) =>
    local.execute({
      plan,
      store,
      machine,
      requests,
      target,
      clock: systemClock,
      signal,
      observer: {
        event() {},
        stepStarted() {},
        stepProgress() {},
        stepFinished() {},
        cellFinished: (cell, result) =>
          finished.push(`${cellPath(cell.key)} ${result.quantlab.status}`),
      },
    });
  return { store, run, finished };
}

describe("the local executor", () => {
  it("runs every cell and records the skipped ones; running it again runs nothing", async () => {
    const { store, run, finished } = await prepare();
    expect(await run(endpoint(mock.baseUrl))).toEqual({ interrupted: false });
    expect(finished).toEqual([
      "bf16/throughput/batch-1/0 done",
      "bf16/throughput/batch-2/0 done",
      "bf16/accuracy/gsm8k/0 skipped",
      "awq/throughput/batch-1/0 done",
      "awq/throughput/batch-2/0 done",
      "awq/accuracy/gsm8k/0 skipped",
    ]);
    const sent = mock.requests.length;
    await run(endpoint(mock.baseUrl));
    expect(mock.requests.length).toBe(sent);
    expect(finished.length).toBe(6);
    await store.close();
  });

  it("replays the same prompts for every format", async () => {
    const { store, run } = await prepare();
    await run(endpoint(mock.baseUrl));
    const prompts = mock.requests.map((request) => JSON.stringify(request.prompt)).sort();
    const half = prompts.filter((_, index) => index % 2 === 0);
    expect(prompts.filter((_, index) => index % 2 === 1)).toEqual(half);
    await store.close();
  });

  it("records the cell in which the server dies, starts another one and goes on", async () => {
    const { store, run } = await prepare();
    const reached = endpoint(mock.baseUrl);
    let starts = 0;
    const mortal: Target = {
      name: "mortal",
      async start(...args) {
        starts++;
        const server = await reached.start(...args);
        if (starts > 1) return server;
        return {
          ...server,
          baseUrl: "http://127.0.0.1:1",
          died: Promise.resolve("the server was killed by SIGKILL"),
          logTail: () => "last words",
        };
      },
    };
    await run(mortal);
    const [first, ...others] = await store.results();
    expect(first?.quantlab).toMatchObject({
      status: "failed",
      reason: "the server was killed by SIGKILL",
      logTail: "last words",
    });
    expect(others.map(({ quantlab }) => quantlab.status)).toEqual([
      "done",
      "skipped",
      "done",
      "done",
      "skipped",
    ]);
    expect(starts).toBe(3);
    // A resume tries what failed once more, and nothing else.
    await run(reached);
    expect((await store.results())[0]?.quantlab.status).toBe("done");
    await store.close();
  });

  it("records every cell of a server that does not start, with the reason", async () => {
    const { store, run } = await prepare();
    const reached = endpoint(mock.baseUrl);
    const unwilling: Target = {
      name: "unwilling",
      start: async (request, ...rest) => {
        if (request.format === "awq") throw new QuantlabError("target-failed", "no memory left");
        return reached.start(request, ...rest);
      },
    };
    await run(unwilling);
    const failed = (await store.results()).filter(({ quantlab }) => quantlab.status === "failed");
    expect(failed.map(({ quantlab }) => `${quantlab.key.setting}: ${quantlab.reason}`)).toEqual([
      "batch-1: no memory left",
      "batch-2: no memory left",
    ]);
    await store.close();
  });

  it("keeps finished cells when interrupted, and leaves the running one without a result", async () => {
    const { store, run, finished } = await prepare();
    const interrupt = new AbortController();
    const reached = endpoint(mock.baseUrl);
    const interrupting: Target = {
      name: "interrupting",
      async start(request, ...rest) {
        if (request.format === "awq") interrupt.abort();
        return reached.start(request, ...rest);
      },
    };
    expect(await run(interrupting, interrupt.signal)).toEqual({ interrupted: true });
    expect(finished.length).toBe(3);
    expect((await store.missing()).map(cellPath)).toEqual([
      "awq/throughput/batch-1/0",
      "awq/throughput/batch-2/0",
      "awq/accuracy/gsm8k/0",
    ]);
    await store.close();
  });
});
