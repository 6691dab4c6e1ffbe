import { expect, test } from "vitest";
import { success } from "../../test/request-records.ts";
import { summarize } from "./summary.ts";
import { toVllmResult, type VllmResultContext } from "./vllm-result.ts";

const records = [
  success({ index: 1, intendedMs: 40, sentMs: 50, tokenTimesMs: [150, 160, 180], doneMs: 190 }),
  success({ index: 0, sentMs: 0, tokenTimesMs: [100, 110], doneMs: 120 }),
  success({
    index: 2,
    sentMs: 60,
    tokenTimesMs: [],
    error: { code: "stall", message: "nothing came" },
  }),
];
const context: VllmResultContext = {
  startedWallMs: Date.UTC(2026, 10, 23, 15, 45, 9, 123),
  modelId: "org/model",
  numPrompts: 3,
  requestRate: Number.POSITIVE_INFINITY,
  records,
};

test("has the keys of vllm bench serve", () => {
  const result = toVllmResult(summarize(records, { durationMs: 500 }), context);
  const statistics = ["ttft", "tpot", "itl", "e2el"].flatMap((name) =>
    ["mean", "median", "std", "p90", "p95", "p99"].map((which) => `${which}_${name}_ms`),
  );
  const queue = ["client_queue_time", "e2el_including_client_queue"].flatMap((name) =>
    ["mean", "median", "std", "p90", "p95", "p99"].map((which) => `${which}_${name}_ms`),
  );
  expect(Object.keys(result)).toEqual([
    "date",
    "endpoint_type",
    "backend",
    "label",
    "model_id",
    "tokenizer_id",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
    "max_output_tokens_per_s",
    "max_concurrent_requests",
    ...statistics,
    ...queue,
  ]);
  expect(result).toMatchObject({
    date: "20261123-154509",
    request_rate: "inf",
    request_goodput: null,
    duration: 0.5,
    completed: 2,
    failed: 1,
    total_output_tokens: 5,
    output_throughput: 10,
    mean_ttft_ms: 100,
    mean_tpot_ms: 12.5,
  });
});

test("survives JSON: no infinity, no undefined", () => {
  const result = toVllmResult(summarize(records, { durationMs: 500 }), {
    ...context,
    burstiness: Number.POSITIVE_INFINITY,
    detailed: true,
  });
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
});

test("details are in request order, in seconds, failures as zeros", () => {
  const result = toVllmResult(summarize(records, { durationMs: 500 }), {
    ...context,
    detailed: true,
  });
  expect(result).toMatchObject({
    input_lens: [10, 10, 10],
    output_lens: [2, 3, 0],
    ttfts: [0.1, 0.1, 0],
    itls: [[0.01], [0.01, 0.02], []],
    start_times: [0, 0.05, 0.06],
    errors: ["", "", "nothing came"],
    latencies: [0.11, 0.13, 0],
    queue_times: [0, 0.01, 0.06],
  });
});

test("what was not measured has no key", () => {
  const result = toVllmResult(summarize([], { durationMs: 1 }), { ...context, records: [] });
  expect(Object.keys(result).filter((key) => key.endsWith("_ms"))).toEqual([]);
});
