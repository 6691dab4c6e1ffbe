/** A summary under the top-level keys that `vllm bench serve` writes, so that its readers read ours. */
import { isSuccess } from "./latency.ts";
import type { RequestRecord } from "./record.ts";
import type { Distribution, Summary } from "./summary-types.ts";
import { peakConcurrency, peakEventsPerSecond } from "./window.ts";

/** What a result says beside the figures. */
export interface VllmResultContext {
  /** Wall-clock start, milliseconds since 1970. */
  readonly startedWallMs: number;
  readonly modelId: string;
  readonly numPrompts: number;
  /** Infinity is written as "inf", as vLLM does. */
  readonly requestRate: number;
  /** 1 is Poisson, Infinity constant. */
  readonly burstiness?: number | undefined;
  readonly maxConcurrency?: number | undefined;
  /** Further keys of the heading, such as those of a ramp. */
  readonly moreSettings?: Readonly<Record<string, unknown>> | undefined;
  readonly label?: string | undefined;
  readonly backend?: string | undefined;
  readonly tokenizerId?: string | undefined;
  /** For the peaks over one second and, with `detailed`, the arrays of `--save-detailed`. */
  readonly records: readonly RequestRecord[];
  readonly detailed?: boolean | undefined;
}

/**
 * Keys without a measured value are left out (vLLM writes 0 there, which reads like a measurement);
 * `request_goodput` is null without limits, as in vLLM. Units: ms in `*_ms`, else seconds.
 */
export function toVllmResult(
  summary: Summary,
  context: VllmResultContext,
): Record<string, unknown> {
  return {
    ...heading(context),
    duration: summary.durationMs / 1e3,
    completed: summary.completed,
    failed: summary.failed,
    total_input_tokens: summary.totalInputTokens,
    total_output_tokens: summary.totalOutputTokens,
    request_throughput: summary.requestsPerSecond,
    request_goodput: summary.goodputRequestsPerSecond ?? null,
    output_throughput: summary.outputTokensPerSecond,
    total_token_throughput: summary.totalTokensPerSecond,
    max_output_tokens_per_s: peakEventsPerSecond(context.records),
    max_concurrent_requests: peakConcurrency(context.records),
    ...statistics("ttft", summary.ttftMs),
    ...statistics("tpot", summary.tpotMs),
    ...statistics("itl", summary.itlMs),
    ...statistics("e2el", summary.e2elMs),
    ...statistics("client_queue_time", summary.clientLagMs),
    ...statistics("e2el_including_client_queue", summary.e2elFromScheduleMs),
    ...(context.detailed ? detail(context.records) : {}),
  };
}

function heading(context: VllmResultContext): Record<string, unknown> {
  return {
    date: timestamp(context.startedWallMs),
    endpoint_type: context.backend ?? "openai",
    backend: context.backend ?? "openai",
    label: context.label ?? null,
    model_id: context.modelId,
    tokenizer_id: context.tokenizerId ?? context.modelId,
    num_prompts: context.numPrompts,
    request_rate: finiteOrInf(context.requestRate),
    burstiness: finiteOrInf(context.burstiness ?? 1),
    max_concurrency: context.maxConcurrency ?? null,
    ...context.moreSettings,
  };
}

/** JSON has no infinity. */
function finiteOrInf(value: number): number | "inf" {
  return Number.isFinite(value) ? value : "inf";
}

/** UTC as "20261123-154500". */
function timestamp(wallMs: number): string {
  return new Date(wallMs)
    .toISOString()
    .replace(/[-:]|\..*/g, "")
    .replace("T", "-");
}

function statistics(name: string, distribution: Distribution | undefined): Record<string, number> {
  if (distribution === undefined) return {};
  return {
    [`mean_${name}_ms`]: distribution.mean,
    [`median_${name}_ms`]: distribution.median,
    [`std_${name}_ms`]: distribution.std,
    [`p90_${name}_ms`]: distribution.p90,
    [`p95_${name}_ms`]: distribution.p95,
    [`p99_${name}_ms`]: distribution.p99,
  };
}

/** The arrays of `--save-detailed`: in request order, seconds, failures included as zeros. */
function detail(records: readonly RequestRecord[]): Record<string, unknown> {
  const rows = records.toSorted((a, b) => a.index - b.index);
  return {
    input_lens: rows.map((r) => r.promptTokens),
    output_lens: rows.map((r) => (isSuccess(r) ? r.outputTokens : 0)),
    ttfts: rows.map((r) => (isSuccess(r) ? secondsBetween(r.sentMs, r.tokenTimesMs[0]) : 0)),
    itls: rows.map((r) =>
      isSuccess(r)
        ? r.tokenTimesMs.slice(1).map((time, i) => secondsBetween(r.tokenTimesMs[i], time))
        : [],
    ),
    start_times: rows.map((r) => r.sentMs / 1e3),
    generated_texts: rows.map((r) => r.text ?? ""),
    errors: rows.map((r) => r.error?.message ?? ""),
    latencies: rows.map((r) =>
      isSuccess(r) ? secondsBetween(r.sentMs, r.tokenTimesMs.at(-1)) : 0,
    ),
    queue_times: rows.map((r) => secondsBetween(r.intendedMs, r.sentMs)),
  };
}

function secondsBetween(fromMs: number | undefined, toMs: number | undefined): number {
  return fromMs === undefined || toMs === undefined ? 0 : (toMs - fromMs) / 1e3;
}
