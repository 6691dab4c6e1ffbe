import { expect, it } from "vitest";
import { parseVllmMetrics } from "./metrics.ts";

it("adds up engines, and knows the names of every version", () => {
  expect(
    parseVllmMetrics(`# HELP vllm:num_preemptions_total x
vllm:num_preemptions_total{engine="0",model_name="m"} 2.0
vllm:num_preemptions_total{engine="1",model_name="m"} 1.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 200.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 50.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_hits_created{engine="0",model_name="m"} 1.79e+09`),
  ).toEqual({ preemptions: 3, prefixCacheHitRate: 0.25, kvCacheUsage: 0.25 });
  expect(parseVllmMetrics("vllm:gpu_cache_usage_perc 0.5\nvllm:num_preemptions_total 0")).toEqual({
    preemptions: 0,
    prefixCacheHitRate: undefined,
    kvCacheUsage: 0.5,
  });
  // With the cache off nothing is looked up, so nothing is hit.
  const off = "vllm:prefix_cache_queries_total 0\nvllm:prefix_cache_hits_total 0";
  expect(parseVllmMetrics(off).prefixCacheHitRate).toBe(0);
  expect(parseVllmMetrics("nonsense\n\n{").preemptions).toBeUndefined();
});
