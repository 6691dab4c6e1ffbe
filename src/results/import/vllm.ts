/** Result files of `vllm bench serve`, with every request where they were saved with --save-detailed. */
import { z } from "zod";
import type { RequestRecord } from "../../metrics/record.ts";
import {
  type CommonFigures,
  type ImportedCell,
  settingOf,
  type Statistics,
  toFigures,
} from "./imported.ts";

const optionalNumber = z.number().nullish();

const schema = z.looseObject({
  date: z.string(),
  model_id: z.string(),
  backend: z.string().optional(),
  request_rate: z.union([z.number(), z.literal("inf")]),
  max_concurrency: optionalNumber,
  duration: z.number(),
  completed: z.number(),
  failed: optionalNumber,
  num_prompts: optionalNumber,
  request_throughput: z.number(),
  output_throughput: z.number(),
  total_token_throughput: optionalNumber,
  request_goodput: optionalNumber,
});
type VllmResult = z.infer<typeof schema>;

const detailSchema = z.looseObject({
  input_lens: z.array(z.number()),
  output_lens: z.array(z.number()),
  ttfts: z.array(z.number()),
  itls: z.array(z.array(z.number())),
  errors: z.array(z.string()).optional(),
  start_times: z.array(z.number()).optional(),
});

/** undefined when the file is of another tool. */
export function importVllm(value: unknown): ImportedCell[] | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const result = parsed.data;
  const detail = detailSchema.safeParse(value);
  const rate = result.request_rate === "inf" ? Number.POSITIVE_INFINITY : result.request_rate;
  const failed = result.failed ?? Math.max(0, (result.num_prompts ?? 0) - result.completed);
  const common: CommonFigures = {
    ttftMs: statisticsOf(result, "ttft"),
    tpotMs: statisticsOf(result, "tpot"),
    itlMs: statisticsOf(result, "itl"),
    e2elMs: statisticsOf(result, "e2el"),
    outputTokensPerSecond: result.output_throughput,
    requestsPerSecond: result.request_throughput,
    goodputRequestsPerSecond: result.request_goodput ?? undefined,
  };
  const counts = { completed: result.completed, failed };
  const cell: ImportedCell = {
    tool: "vllm",
    model: result.model_id,
    setting: settingOf(rate, result.max_concurrency ?? undefined),
    startedAt: toIso(result.date),
    durationMs: result.duration * 1e3,
    ...counts,
    figures: toFigures(common, counts),
    vllm: result,
    records: detail.success ? recordsOf(detail.data) : [],
    notes: [],
  };
  return [cell];
}

function statisticsOf(result: VllmResult, name: string): Statistics {
  const at = (statistic: string) => {
    const value = result[`${statistic}_${name}_ms`];
    return typeof value === "number" ? value : undefined;
  };
  return {
    mean: at("mean"),
    median: at("median"),
    std: at("std"),
    p90: at("p90"),
    p95: at("p95"),
    p99: at("p99"),
  };
}

/** "20261123-154500", which has no time zone, as if it were UTC. */
function toIso(date: string): string {
  const match = /^(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})$/.exec(date);
  if (match === null) return date;
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

/** Seconds to our records; times are zero at the first send. */
function recordsOf(detail: z.infer<typeof detailSchema>): RequestRecord[] {
  const starts = detail.start_times ?? [];
  const originSeconds = starts.length === 0 ? 0 : Math.min(...starts);
  return detail.ttfts.map((ttft, index) => {
    const sentMs = ((starts[index] ?? originSeconds) - originSeconds) * 1e3;
    const error = detail.errors?.[index] ?? "";
    const isSuccess = error === "" && ttft > 0;
    let atMs = sentMs + ttft * 1e3;
    const times = isSuccess ? [atMs] : [];
    for (const gap of isSuccess ? (detail.itls[index] ?? []) : []) {
      atMs += gap * 1e3;
      times.push(atMs);
    }
    const outputTokens = detail.output_lens[index] ?? times.length;
    return {
      ...{ index, intendedMs: sentMs, sentMs, firstByteMs: undefined, tokenTimesMs: times },
      ...{ doneMs: atMs, promptTokens: detail.input_lens[index] ?? 0, outputTokens },
      ...{ outputTokensSource: "usage" as const, requestedOutputTokens: outputTokens },
      finishReason: undefined,
      error: isSuccess ? undefined : { code: "imported", message: error || "no output" },
    };
  });
}
