/** GET /metrics: the engine's counters and this side's latencies, under vLLM's names. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EngineHost } from "../engine/host.ts";

/** Seconds; vLLM's edges for these three metrics, shortened to what a CPU engine spans. */
const firstTokenBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160];
const betweenTokensBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const tokenBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
const requestBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];

export interface FinishedRequest {
  readonly reason: string;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** From arrival to the end. */
  readonly seconds: number;
  /** From the first token to the last. */
  readonly decodeSeconds: number;
}

/** What one request reports as it goes. */
export interface RequestMetrics {
  firstToken(seconds: number): void;
  nextToken(seconds: number): void;
  finished(request: FinishedRequest): void;
  /** The page, in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(host: EngineHost, modelName: string): RequestMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ model_name: modelName });
  addEngineMetrics(registry, host);
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers: [registry] });
  const firstToken = histogram(
    "vllm:time_to_first_token_seconds",
    "From the request's arrival to its first token",
    firstTokenBuckets,
  );
  const betweenTokens = histogram(
    "vllm:inter_token_latency_seconds",
    "Between two tokens of a request",
    betweenTokensBuckets,
  );
  const request = histogram(
    "vllm:e2e_request_latency_seconds",
    "From the request's arrival to its last token",
    requestBuckets,
  );
  const prompt = histogram(
    "vllm:request_prompt_tokens",
    "Prompt tokens of a request",
    tokenBuckets,
  );
  const generation = histogram(
    "vllm:request_generation_tokens",
    "Tokens generated for a request",
    tokenBuckets,
  );
  const perToken = histogram(
    "vllm:request_time_per_output_token_seconds",
    "Between a request's first and last token, per token",
    betweenTokensBuckets,
  );
  const success = new Counter({
    name: "vllm:request_success_total",
    help: "Requests that ended, by reason",
    labelNames: ["finished_reason"],
    registers: [registry],
  });
  return {
    firstToken: (seconds) => firstToken.observe(seconds),
    nextToken: (seconds) => betweenTokens.observe(seconds),
    finished: ({ reason, promptTokens, generatedTokens, seconds, decodeSeconds }) => {
      request.observe(seconds);
      success.inc({ finished_reason: reason });
      prompt.observe(promptTokens);
      generation.observe(generatedTokens);
      if (generatedTokens > 1) perToken.observe(decodeSeconds / (generatedTokens - 1));
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** Read from the engine when the page is asked for, so that a step costs nothing more. */
function addEngineMetrics(registry: Registry, host: EngineHost): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  gauge("vllm:num_requests_running", "Sequences in the batch", () => host.stats.running);
  gauge("vllm:num_requests_waiting", "Requests not yet admitted", () => host.stats.waiting);
  gauge(
    "vllm:kv_cache_usage_perc",
    "Part of the KV cache's blocks in use, 0 to 1",
    () => host.stats.blocksUsed / host.stats.blocksTotal,
  );
  counter("vllm:num_preemptions_total", "Preemptions", () => host.stats.preemptions);
  counter("vllm:prompt_tokens_total", "Prompt tokens run", () => host.stats.promptTokens);
  counter("vllm:generation_tokens_total", "Tokens generated", () => host.stats.generatedTokens);
  counter(
    "vllm:prefix_cache_queries_total",
    "Prompt tokens looked for in the prefix cache",
    () => host.stats.prefixQueriedTokens,
  );
  counter(
    "vllm:prefix_cache_hits_total",
    "Prompt tokens found in the prefix cache",
    () => host.stats.prefixHitTokens,
  );
  counter("quantlab:engine_steps_total", "Steps of the engine", () => host.stats.steps);
  counter(
    "quantlab:engine_step_seconds_total",
    "Time in steps of the engine",
    () => host.stats.stepMs / 1e3,
  );
  const { limits, kvCacheDtype } = host.facts;
  new Gauge({
    name: "vllm:cache_config_info",
    help: "The KV cache's shape and dtype, as labels",
    labelNames: ["block_size", "num_gpu_blocks", "cache_dtype"],
    registers: [registry],
  }).set(
    {
      block_size: limits.blockSize,
      num_gpu_blocks: limits.blocks,
      cache_dtype: kvCacheDtype,
    },
    1,
  );
}
