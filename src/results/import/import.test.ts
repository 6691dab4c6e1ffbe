import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { summarize } from "../../metrics/summary.ts";
import { loadRun } from "../store.ts";
import { importRun, readImport } from "./import.ts";

/** Written by vllm bench serve 0.32.0 against our mock server, with --save-detailed. */
const vllmFile = fileURLToPath(
  new URL("../../../test/fixtures/results/vllm-serve-detailed.json", import.meta.url),
);
const context = { quantlabVersion: "0.0.0", createdAt: "2026-11-24T00:00:00Z" };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-import-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, value: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

describe("vllm bench serve", () => {
  test("its requests, summed up by our formulas, give its own figures", async () => {
    const [cell] = await readImport(vllmFile);
    const theirs: Record<string, number> = JSON.parse(await readFile(vllmFile, "utf8"));
    const summary = summarize(cell?.records ?? [], { durationMs: cell?.durationMs ?? 0 });
    const ours = {
      ttft: summary.ttftMs,
      tpot: summary.tpotMs,
      itl: summary.itlMs,
      e2el: summary.e2elMs,
    };
    for (const [name, distribution] of Object.entries(ours)) {
      for (const statistic of ["mean", "median", "std", "p90", "p99"] as const) {
        expect(distribution?.[statistic]).toBeCloseTo(
          theirs[`${statistic}_${name}_ms`] ?? Number.NaN,
          6,
        );
      }
    }
    expect(summary.outputTokensPerSecond).toBeCloseTo(theirs.output_throughput ?? 0, 9);
    expect(summary.totalTokensPerSecond).toBeCloseTo(theirs.total_token_throughput ?? 0, 9);
    expect(summary.requestsPerSecond).toBeCloseTo(theirs.request_throughput ?? 0, 9);
    expect(cell?.figures).toMatchObject({
      ttftMsMedian: theirs.median_ttft_ms,
      completed: 6,
      failed: 0,
    });
  });

  test("becomes a run that can be loaded, repeats in order, every key kept", async () => {
    const out = join(folder, "run");
    const sources = ["bf16", "fp8", "fp8"].map((label) => ({ label, path: vllmFile }));
    await importRun(out, sources, context);
    const { manifest, results } = await loadRun(out);
    expect(results.map(({ quantlab }) => quantlab.key)).toEqual([
      { format: "bf16", experiment: "serving", setting: "rate-20", repeat: 0 },
      { format: "fp8", experiment: "serving", setting: "rate-20", repeat: 0 },
      { format: "fp8", experiment: "serving", setting: "rate-20", repeat: 1 },
    ]);
    expect(manifest.config).toMatchObject({ model: "mock", target: "vllm", profile: "imported" });
    expect(results[0]).toMatchObject({ max_concurrency: 3, total_output_tokens: 30 });
    const records = await readFile(join(out, "cells/fp8/serving/rate-20/1/records.jsonl"), "utf8");
    expect(records.trim().split("\n")).toHaveLength(6);
  });

  test("failed requests make it invalid; without detail there are no records", async () => {
    const { ttfts, ...rest } = JSON.parse(await readFile(vllmFile, "utf8"));
    expect(ttfts).toHaveLength(6);
    const path = await file("failed.json", {
      ...rest,
      completed: 5,
      failed: 1,
      request_rate: "inf",
    });
    const out = join(folder, "failed");
    await importRun(out, [{ label: "a", path }], context);
    const [result] = (await loadRun(out)).results;
    expect(result?.quantlab.validity.reasons).toEqual(["1 of 6 requests failed"]);
    expect(result?.quantlab.key.setting).toBe("concurrency-3");
    expect((await readImport(path))[0]?.records).toEqual([]);
  });

  test("several results in one file, one a line, are several cells", async () => {
    const line = JSON.stringify(JSON.parse(await readFile(vllmFile, "utf8")));
    expect(await readImport(await file("appended.json", `${line}\n${line}\n`))).toHaveLength(2);
  });
});

test("GuideLLM: one cell a benchmark, seconds to ms, its own meanings noted", async () => {
  const statistics = (mean: number) => ({
    successful: {
      ...{ mean, median: mean, std_dev: 1, count: 3 },
      percentiles: { p50: mean, p90: mean + 1, p95: mean + 2, p99: mean + 3 },
    },
  });
  const path = await file("guidellm.json", {
    metadata: { guidellm_version: "0.5.0" },
    config: { model: "not looked at" },
    benchmarks: [
      {
        config: { strategy: { type_: "concurrent", streams: 16 }, backend: { model: "m" } },
        start_time: 1_700_000_000,
        end_time: 1_700_000_060,
        metrics: {
          request_totals: { successful: 90, errored: 2, incomplete: 1, total: 93 },
          requests_per_second: statistics(1.5),
          request_latency: statistics(2),
          time_to_first_token_ms: statistics(100),
          inter_token_latency_ms: statistics(12),
          output_tokens_per_second: statistics(300),
          tokens_per_second: statistics(900),
        },
      },
    ],
  });
  const [cell] = await readImport(path);
  expect(cell).toMatchObject({ tool: "guidellm 0.5.0", model: "m", setting: "concurrency-16" });
  expect(cell).toMatchObject({ completed: 90, failed: 3, durationMs: 60_000 });
  expect(cell?.figures).toMatchObject({
    ttftMsMedian: 100,
    ttftMsP99: 103,
    tpotMsMedian: 12,
    e2elMsMedian: 2000,
    outputTokensPerSecond: 300,
  });
  expect(cell?.figures.itlMsMedian).toBeUndefined();
  expect(cell?.vllm).toMatchObject({
    mean_e2el_ms: 2000,
    p99_e2el_ms: 5000,
    output_throughput: 300,
  });
  expect(cell?.notes.join(" ")).toContain("weigh tokens");
});

test("AIPerf: units are read, ITL is its inter-chunk latency", async () => {
  const metric = (unit: string, avg: number) => ({ unit, avg, p50: avg, p99: avg * 2, std: 0 });
  const path = await file("aiperf.json", {
    request_throughput: metric("requests/sec", 3),
    request_latency: metric("ms", 900),
    request_count: metric("requests", 40),
    time_to_first_token: metric("ms", 80),
    inter_token_latency: metric("ms", 9),
    inter_chunk_latency: metric("ms", 10),
    output_token_throughput: metric("tokens/sec", 250),
    benchmark_duration: metric("sec", 13.5),
    start_time: "2026-01-01T00:00:00",
    input_config: {
      endpoint: { model_names: ["m"] },
      loadgen: { request_rate: 4, concurrency: 8 },
    },
  });
  const [cell] = await readImport(path);
  expect(cell).toMatchObject({ tool: "aiperf", model: "m", setting: "rate-4", durationMs: 13_500 });
  expect(cell?.figures).toMatchObject({
    tpotMsMedian: 9,
    itlMsMedian: 10,
    itlMsP99: 20,
    completed: 40,
  });
});

/** Written by test/oracles/peer_results.py: both tools against our mock server with TTFT 30 ms, ITL 5 ms. */
describe("files of the tools themselves", () => {
  const read = async (name: string) => {
    const path = new URL(`../../../test/fixtures/results/${name}.json`, import.meta.url);
    return (await readImport(fileURLToPath(path)))[0];
  };

  test.each([
    ["guidellm", "guidellm 0.8.1", "concurrency-3"],
    ["guidellm-rate", "guidellm 0.8.1", "rate-20"],
    ["aiperf", "aiperf 0.13.0", "concurrency-3"],
    ["aiperf-rate", "aiperf 0.13.0", "rate-20"],
  ])("%s: load, counts and what the mock server did are found", async (name, tool, setting) => {
    const cell = await read(name);
    expect(cell).toMatchObject({ tool, setting, model: "mock", completed: 12, failed: 0 });
    const { ttftMsMedian = 0, e2elMsMedian = 0 } = cell?.figures ?? {};
    expect(ttftMsMedian).toBeGreaterThan(30);
    expect(ttftMsMedian).toBeLessThan(36);
    // TTFT and 19 gaps of 5 ms.
    expect(e2elMsMedian).toBeGreaterThan(125);
    expect(e2elMsMedian).toBeLessThan(135);
    expect(cell?.vllm).toMatchObject({ completed: 12, median_ttft_ms: ttftMsMedian });
  });

  test("TPOT of both is the mock server's gap, where tokens are the server's", async () => {
    for (const name of ["guidellm", "guidellm-rate", "aiperf-rate"]) {
      expect((await read(name))?.figures.tpotMsMedian).toBeCloseTo(5, 0);
    }
    const retokenized = await read("aiperf");
    expect(retokenized?.figures.tpotMsMedian).toBeLessThan(2.5);
    expect(retokenized?.notes[0]).toContain("50 output tokens an answer");
    expect(retokenized?.figures.goodputRequestsPerSecond).toBeCloseTo(13.8, 1);
  });
});

test("another file is refused by name", async () => {
  await expect(readImport(await file("other.json", { a: 1 }))).rejects.toThrow(
    "is no result file that we know",
  );
  await expect(readImport(join(folder, "none.json"))).rejects.toThrow("cannot be read");
});
