/** Export files of AIPerf (profile_export_aiperf.json). */
import { z } from "zod";
import {
  type CommonFigures,
  type ImportedCell,
  settingOf,
  type Statistics,
  toFigures,
  toVllmKeys,
} from "./imported.ts";

const metricSchema = z
  .looseObject({
    unit: z.string(),
    avg: z.number(),
    p50: z.number().nullish(),
    p90: z.number().nullish(),
    p95: z.number().nullish(),
    p99: z.number().nullish(),
    std: z.number().nullish(),
  })
  .nullish();
type Metric = z.infer<typeof metricSchema>;

/** Where 0.13 and later say how requests were sent. */
const phaseSchema = z.looseObject({
  kind: z.string().nullish(),
  concurrency: z.number().nullish(),
  rate: z.number().nullish(),
});

const schema = z.looseObject({
  aiperf_version: z.string().nullish(),
  request_throughput: metricSchema.unwrap().unwrap(),
  request_latency: metricSchema.unwrap().unwrap(),
  request_count: metricSchema,
  error_request_count: metricSchema,
  time_to_first_token: metricSchema,
  inter_token_latency: metricSchema,
  inter_chunk_latency: metricSchema,
  output_token_throughput: metricSchema,
  total_token_throughput: metricSchema,
  output_sequence_length: metricSchema,
  usage_completion_tokens: metricSchema,
  goodput: metricSchema,
  benchmark_duration: metricSchema,
  start_time: z.string().nullish(),
  input_config: z
    .looseObject({
      endpoint: z.looseObject({ model_names: z.array(z.string()).nullish() }).nullish(),
      loadgen: z
        .looseObject({ concurrency: z.number().nullish(), request_rate: z.number().nullish() })
        .nullish(),
      models: z
        .looseObject({ items: z.array(z.looseObject({ name: z.string() })).nullish() })
        .nullish(),
      phases: z.array(phaseSchema).nullish(),
    })
    .nullish(),
});

type ExportFile = z.infer<typeof schema>;

/** Its tokenizer may see other tokens than the server made, and then several figures are off with it. */
function notesOf(file: ExportFile): string[] {
  const counted = file.output_sequence_length?.avg;
  const said = file.usage_completion_tokens?.avg;
  const counts =
    said === undefined || counted === undefined || Math.abs(counted / said - 1) < 0.005
      ? "token counts are AIPerf's own re-tokenizing of the text unless it was told to take the server's"
      : `AIPerf counts ${counted} output tokens an answer where the server's usage says ${said}: its TPOT and tokens/s are off by that factor`;
  return [counts, "TTFT is the first event with text: a role-only event before it is passed over"];
}

/** Model and load of the file, as old and new releases say them. */
function settingsOf({ input_config }: ExportFile): { model: string; setting: string } {
  const { endpoint, loadgen, models, phases } = input_config ?? {};
  const phase = phases?.find(({ kind }) => kind === "profiling") ?? phases?.[0];
  const rate = loadgen?.request_rate ?? phase?.rate ?? undefined;
  const concurrency = loadgen?.concurrency ?? phase?.concurrency ?? undefined;
  return {
    model: endpoint?.model_names?.[0] ?? models?.items?.[0]?.name ?? "unknown",
    setting: settingOf(rate, concurrency),
  };
}

/** undefined when the file is of another tool. */
export function importAiperf(value: unknown): ImportedCell[] | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const file = parsed.data;
  const common: CommonFigures = {
    ttftMs: statisticsOf(file.time_to_first_token),
    tpotMs: statisticsOf(file.inter_token_latency),
    itlMs: statisticsOf(file.inter_chunk_latency),
    e2elMs: statisticsOf(file.request_latency),
    outputTokensPerSecond: file.output_token_throughput?.avg,
    totalTokensPerSecond: file.total_token_throughput?.avg,
    requestsPerSecond: file.request_throughput.avg,
    goodputRequestsPerSecond: file.goodput?.avg,
  };
  const counts = {
    completed: file.request_count?.avg ?? 0,
    failed: file.error_request_count?.avg ?? 0,
  };
  const durationMs = inMs(file.benchmark_duration, file.benchmark_duration?.avg) ?? 0;
  const cell: ImportedCell = {
    tool: file.aiperf_version == null ? "aiperf" : `aiperf ${file.aiperf_version}`,
    ...settingsOf(file),
    startedAt: file.start_time ?? "",
    durationMs,
    ...counts,
    figures: toFigures(common, counts),
    vllm: { ...toVllmKeys(common), ...counts, duration: durationMs / 1e3 },
    records: [],
    notes: notesOf(file),
  };
  return [cell];
}

/** Units are spelled out in the file; everything of ours is in ms. */
const msPerUnit: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  s: 1e3,
  sec: 1e3,
  seconds: 1e3,
};

function inMs(metric: Metric, value: number | null | undefined): number | undefined {
  const factor = msPerUnit[metric?.unit ?? ""];
  return value == null || factor === undefined ? undefined : value * factor;
}

function statisticsOf(metric: Metric): Statistics | undefined {
  if (metric == null) return undefined;
  return {
    mean: inMs(metric, metric.avg),
    median: inMs(metric, metric.p50),
    std: inMs(metric, metric.std),
    p90: inMs(metric, metric.p90),
    p95: inMs(metric, metric.p95),
    p99: inMs(metric, metric.p99),
  };
}
