/** Report files of GuideLLM: one cell a benchmark. */
import { z } from "zod";
import {
  type CommonFigures,
  type ImportedCell,
  settingOf,
  type Statistics,
  toFigures,
  toVllmKeys,
} from "./imported.ts";

const distributionSchema = z.looseObject({
  mean: z.number(),
  median: z.number(),
  std_dev: z.number(),
  percentiles: z.looseObject({ p90: z.number(), p95: z.number(), p99: z.number() }),
});
const metricSchema = z.looseObject({ successful: distributionSchema }).optional();

const benchmarkSchema = z.looseObject({
  metrics: z.looseObject({
    request_totals: z
      .looseObject({ successful: z.number(), errored: z.number(), incomplete: z.number() })
      .optional(),
    requests_per_second: metricSchema,
    request_latency: metricSchema,
    time_to_first_token_ms: metricSchema,
    inter_token_latency_ms: metricSchema,
    output_tokens_per_second: metricSchema,
    tokens_per_second: metricSchema,
  }),
  start_time: z.number().optional(),
  end_time: z.number().optional(),
  duration: z.number().optional(),
});
type Benchmark = z.infer<typeof benchmarkSchema>;

const schema = z.looseObject({
  benchmarks: z.array(benchmarkSchema).min(1),
  metadata: z.looseObject({ guidellm_version: z.string().optional() }).optional(),
});

const notes = [
  "TPOT is GuideLLM's inter_token_latency_ms: the same quantity, but its statistics weigh tokens, not requests",
  "E2EL is GuideLLM's request_latency: it ends when the stream is closed, not at the last token",
  "rates are means of GuideLLM's time-weighted distributions, not totals over the duration",
];

/** undefined when the file is of another tool. */
export function importGuidellm(value: unknown): ImportedCell[] | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { benchmarks, metadata } = parsed.data;
  const version = metadata?.guidellm_version;
  const tool = version === undefined ? "guidellm" : `guidellm ${version}`;
  return benchmarks.map((benchmark) => cellOf(benchmark, tool));
}

function cellOf(benchmark: Benchmark, tool: string): ImportedCell {
  const { metrics, start_time = 0, end_time = start_time } = benchmark;
  const common: CommonFigures = {
    ttftMs: statisticsOf(metrics.time_to_first_token_ms, 1),
    tpotMs: statisticsOf(metrics.inter_token_latency_ms, 1),
    e2elMs: statisticsOf(metrics.request_latency, 1e3),
    outputTokensPerSecond: metrics.output_tokens_per_second?.successful.mean,
    totalTokensPerSecond: metrics.tokens_per_second?.successful.mean,
    requestsPerSecond: metrics.requests_per_second?.successful.mean,
  };
  const totals = metrics.request_totals;
  const counts = {
    completed: totals?.successful ?? 0,
    failed: (totals?.errored ?? 0) + (totals?.incomplete ?? 0),
  };
  const durationMs = (benchmark.duration ?? end_time - start_time) * 1e3;
  return {
    tool,
    model: findText(benchmark, "model") ?? "unknown",
    setting: settingOf(
      findNumber(benchmark, "rate"),
      findNumber(benchmark, "streams") ?? findNumber(benchmark, "max_concurrency"),
    ),
    startedAt: new Date(start_time * 1e3).toISOString(),
    durationMs,
    ...counts,
    figures: toFigures(common, counts),
    vllm: { ...toVllmKeys(common), ...counts, duration: durationMs / 1e3 },
    records: [],
    notes,
  };
}

function statisticsOf(metric: z.infer<typeof metricSchema>, toMs: number): Statistics | undefined {
  if (metric === undefined) return undefined;
  const { mean, median, std_dev, percentiles } = metric.successful;
  return {
    mean: mean * toMs,
    median: median * toMs,
    std: std_dev * toMs,
    p90: percentiles.p90 * toMs,
    p95: percentiles.p95 * toMs,
    p99: percentiles.p99 * toMs,
  };
}

/** Its settings have moved between releases: looked for by name in what is not a measurement. */
function find(value: unknown, name: string, fits: (found: unknown) => boolean): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (key === "metrics" || key === "requests") continue;
    if (key === name && fits(inner)) return inner;
    const deeper = find(inner, name, fits);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

function findNumber(value: unknown, name: string): number | undefined {
  const found = find(value, name, (inner) => typeof inner === "number");
  return typeof found === "number" ? found : undefined;
}

function findText(value: unknown, name: string): string | undefined {
  const found = find(value, name, (inner) => typeof inner === "string");
  return typeof found === "string" ? found : undefined;
}
