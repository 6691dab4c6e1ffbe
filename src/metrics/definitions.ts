/** Every metric as data: report, CLI and docs/metrics.md take their words from here. */

/** Names of the same quantity elsewhere; absent where a tool has none. */
export interface NamesElsewhere {
  readonly vllm?: string;
  readonly guidellm?: string;
  readonly aiperf?: string;
  readonly sglang?: string;
  readonly inferencePerf?: string;
}

export interface MetricDefinition {
  /** Key in Summary. */
  readonly id: string;
  readonly name: string;
  readonly unit: "ms" | "tokens/s" | "requests/s" | "requests" | "tokens";
  readonly formula: string;
  /** What its mean and percentiles weigh: requests, gaps, or nothing for a total. */
  readonly over: "requests" | "gaps" | "cell";
  /** What to know before comparing it. */
  readonly note: string;
  readonly source: string;
  readonly elsewhere: NamesElsewhere;
}

const vllmServe = "vllm bench serve (vllm/benchmarks/serve.py)";

const latencies: readonly MetricDefinition[] = [
  {
    id: "ttftMs",
    name: "TTFT, time to first token",
    unit: "ms",
    formula: "first event with a non-empty choices list - sent",
    over: "requests",
    note: "Sockets are opened before the cell, so no TCP connect is in it; server queue and prefill are.",
    source: vllmServe,
    elsewhere: {
      vllm: "ttft",
      sglang: "ttft",
      guidellm: "time_to_first_token_ms",
      aiperf: "time_to_first_token (first non-empty text)",
      inferencePerf: "time_to_first_token",
    },
  },
  {
    id: "tpotMs",
    name: "TPOT, time per output token",
    unit: "ms",
    formula: "(E2EL - TTFT) / (output tokens - 1), for answers of two tokens or more",
    over: "requests",
    note: "GuideLLM's time_per_output_token_ms is another quantity: it includes TTFT.",
    source: vllmServe,
    elsewhere: {
      vllm: "tpot",
      sglang: "tpot",
      guidellm: "inter_token_latency_ms (same value, weighted by tokens)",
      aiperf: "inter_token_latency",
      inferencePerf: "time_per_output_token",
    },
  },
  {
    id: "itlMs",
    name: "ITL, inter-token latency",
    unit: "ms",
    formula: "gaps between consecutive output events, of all successful requests pooled",
    over: "gaps",
    note: "A chunk of k tokens makes one gap, not k: valid per token only where a chunk is a token, which the validity gates check.",
    source: vllmServe,
    elsewhere: { vllm: "itl", sglang: "itl", aiperf: "inter_chunk_latency" },
  },
  {
    id: "e2elMs",
    name: "E2EL, end-to-end latency",
    unit: "ms",
    formula: "last output event - sent",
    over: "requests",
    note: "The trailing usage-only event does not move it.",
    source: vllmServe,
    elsewhere: {
      vllm: "e2el",
      sglang: "e2e_latency",
      guidellm: "request_latency (s, until the stream closes)",
      aiperf: "request_latency",
      inferencePerf: "request_latency",
    },
  },
  {
    id: "ttftFromScheduleMs",
    name: "TTFT from schedule",
    unit: "ms",
    formula: "TTFT + (sent - intended)",
    over: "requests",
    note: "What a user would have waited: time held back by a concurrency cap counts.",
    source: "MLPerf LoadGen, Server scenario",
    elsewhere: {},
  },
  {
    id: "e2elFromScheduleMs",
    name: "E2EL from schedule",
    unit: "ms",
    formula: "E2EL + (sent - intended)",
    over: "requests",
    note: "Immune to coordinated omission.",
    source: "MLPerf LoadGen, Server scenario; vllm-project/vllm#54136",
    elsewhere: { vllm: "e2el_including_client_queue" },
  },
  {
    id: "clientLagMs",
    name: "Client lag",
    unit: "ms",
    formula: "sent - intended",
    over: "requests",
    note: "The load generator's own error in an open loop; its queue where a cap holds requests back.",
    source: "kubernetes-sigs/inference-perf, schedule delay",
    elsewhere: { vllm: "client_queue_time", inferencePerf: "schedule_delay" },
  },
];

const totals: readonly MetricDefinition[] = [
  {
    id: "completed",
    name: "Completed requests",
    unit: "requests",
    formula: "requests without error and with at least one output event",
    over: "cell",
    note: "An answer that is cut, or that is 200 without output, is a failure.",
    source: vllmServe,
    elsewhere: { vllm: "completed", aiperf: "request_count", guidellm: "requests.successful" },
  },
  {
    id: "requestsPerSecond",
    name: "Request throughput",
    unit: "requests/s",
    formula: "completed / duration",
    over: "cell",
    note: "Duration runs from the start of the cell to the last response: arrival spacing and drain are in it.",
    source: vllmServe,
    elsewhere: {
      vllm: "request_throughput",
      sglang: "request_throughput",
      aiperf: "request_throughput",
      guidellm: "requests_per_second",
      inferencePerf: "requests_per_sec",
    },
  },
  {
    id: "outputTokensPerSecond",
    name: "Output throughput",
    unit: "tokens/s",
    formula: "sum of output tokens of completed requests / duration",
    over: "cell",
    note: "Tokens are usage.completion_tokens; without usage the chunks are counted and the record says so.",
    source: vllmServe,
    elsewhere: {
      vllm: "output_throughput",
      sglang: "output_throughput",
      aiperf: "output_token_throughput",
      guidellm: "output_tokens_per_second (mean of a time-weighted rate)",
      inferencePerf: "output_tokens_per_sec",
    },
  },
  {
    id: "totalTokensPerSecond",
    name: "Total token throughput",
    unit: "tokens/s",
    formula: "sum of prompt and output tokens of completed requests / duration",
    over: "cell",
    note: "vllm bench throughput's tokens_per_second is this one, prompts included.",
    source: vllmServe,
    elsewhere: {
      vllm: "total_token_throughput",
      guidellm: "tokens_per_second",
      inferencePerf: "total_tokens_per_sec",
    },
  },
  {
    id: "goodputRequestsPerSecond",
    name: "Goodput",
    unit: "requests/s",
    formula: "completed requests that meet every given limit on TTFT, TPOT and E2EL / duration",
    over: "cell",
    note: "The TPOT of a one-token answer counts as 0, as in vLLM.",
    source: "DistServe (Zhong et al., OSDI 2024); vllm bench serve --goodput",
    elsewhere: { vllm: "request_goodput", aiperf: "goodput" },
  },
];

/** In the order of the documentation. */
export const metricDefinitions: readonly MetricDefinition[] = [...latencies, ...totals];

/** The definition of a Summary key; undefined for keys that are not metrics. */
export function definitionOf(id: string): MetricDefinition | undefined {
  return metricDefinitions.find((definition) => definition.id === id);
}
