/** What every cell with requests does: warm up, replay the frozen requests, keep the records, sum up. */
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/json-lines.ts";
import { type LoadMode, type LoadProgress, runLoad } from "../load/generator.ts";
import type { RequestManifest } from "../load/request.ts";
import { isSuccess } from "../metrics/latency.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { summarize } from "../metrics/summary.ts";
import type { Summary } from "../metrics/summary-types.ts";
import { assessValidity, type Validity } from "../metrics/validity.ts";
import { toVllmResult } from "../metrics/vllm-result.ts";
import type { CellResult } from "../results/run.ts";
import { recordsFile } from "../results/store.ts";
import type { CellContext, PlannedCell } from "./experiment.ts";

/** How a cell sends its requests. */
export interface MeasureOptions {
  readonly mode: LoadMode;
  /** Requests per second as asked for; Infinity for a closed loop and for saturation. */
  readonly requestRate: number;
  readonly ignoreEos: boolean;
}

export interface Measured {
  readonly records: readonly RequestRecord[];
  readonly summary: Summary;
  readonly validity: Validity;
  readonly startedWallMs: number;
  /** Top-level keys of result.json. */
  readonly vllm: Record<string, unknown>;
}

/**
 * Warms up, then measures; records go to the cell's folder one by one as they complete.
 * @throws request-failed when no request succeeded, target-failed when the server is gone
 */
export async function measure(context: CellContext, options: MeasureOptions): Promise<Measured> {
  const { requests, config, target, signal } = context;
  if (requests === undefined) throw new Error("a cell with requests was run without them");
  const warmedUp = await warmUp(context, requests.warmup, options);
  const load = await replay(context, requests.measured, options);
  signal.throwIfAborted();
  requireSuccess(load.records);
  const { mode, requestRate, ignoreEos } = options;
  const summary = summarize(load.records, { durationMs: load.durationMs, slo: config.slo });
  const isCapped = mode.kind === "open" && mode.maxConcurrency !== undefined;
  const validity = assessValidity(load.records, {
    loop: isCapped ? "capped" : mode.kind,
    requestedRate: requestRate,
    ignoreEos,
    warmedUp,
    exactPromptTokens: exactPromptTokens(requests.measured),
    durationMs: load.durationMs,
    conditions: load.conditions,
  });
  const vllm = toVllmResult(summary, {
    startedWallMs: load.startedWallMs,
    modelId: target.modelName,
    numPrompts: requests.measured.requests.length,
    requestRate,
    maxConcurrency: mode.kind === "closed" ? mode.concurrency : mode.maxConcurrency,
    records: load.records,
  });
  return { records: load.records, summary, validity, startedWallMs: load.startedWallMs, vllm };
}

/** Whether anything was sent; a server that cannot answer shows it here. */
async function warmUp(
  context: CellContext,
  manifest: RequestManifest,
  { mode, ignoreEos }: MeasureOptions,
): Promise<boolean> {
  if (manifest.requests.length === 0) return false;
  const { target, clock, signal } = context;
  context.onProgress(0, "warming up");
  const concurrency = mode.kind === "closed" ? mode.concurrency : manifest.requests.length;
  const { records } = await runLoad({
    baseUrl: target.baseUrl,
    modelName: target.modelName,
    manifest,
    mode: { kind: "closed", concurrency },
    ignoreEos,
    clock,
    signal,
  });
  signal.throwIfAborted();
  requireSuccess(records);
  return true;
}

async function replay(
  context: CellContext,
  manifest: RequestManifest,
  { mode, ignoreEos }: MeasureOptions,
): ReturnType<typeof runLoad> {
  const { target, clock, signal } = context;
  const writer = await JsonLinesWriter.open(join(context.folder, recordsFile), "w");
  try {
    return await runLoad({
      baseUrl: target.baseUrl,
      modelName: target.modelName,
      manifest,
      mode,
      ignoreEos,
      clock,
      signal,
      onRecord: (record) => writer.append(record),
      onProgress: (progress) =>
        context.onProgress(progress.done / Math.max(1, progress.total), describe(progress)),
    });
  } finally {
    await writer.close();
  }
}

function describe({ done, total, outputTokens, elapsedMs }: LoadProgress): string {
  const rate = elapsedMs > 0 ? (outputTokens / elapsedMs) * 1e3 : 0;
  return `${done}/${total} requests, ${rate.toFixed(0)} tok/s`;
}

function requireSuccess(records: readonly RequestRecord[]): void {
  if (records.some(isSuccess)) return;
  const why = records[0]?.error?.message ?? "there was none";
  throw new QuantlabError("request-failed", `no request succeeded; the first: ${why}`);
}

/** Of token-id prompts, which no tokenizer can count otherwise. */
function exactPromptTokens(manifest: RequestManifest): ReadonlyMap<number, number> {
  return new Map(
    manifest.requests
      .filter((request) => typeof request.prompt !== "string")
      .map((request) => [request.index, request.promptTokens]),
  );
}

/** Figures without the ones that could not be measured: nothing is stored as 0 for want of data. */
export function defined(
  figures: Readonly<Record<string, number | undefined>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(figures).filter(
      (entry): entry is [string, number] => entry[1] !== undefined && Number.isFinite(entry[1]),
    ),
  );
}

/** result.json of a cell that ran. */
export async function doneResult(
  cell: PlannedCell,
  context: CellContext,
  measured: Measured,
  figures: Readonly<Record<string, number | undefined>>,
): Promise<CellResult> {
  const facts = await context.target.facts();
  return {
    ...measured.vllm,
    quantlab: {
      key: cell.key,
      status: "done",
      startedAt: new Date(measured.startedWallMs).toISOString(),
      durationMs: measured.summary.durationMs,
      validity: measured.validity,
      figures: defined(figures),
      facts: { ...facts },
      summary: measured.summary,
      predictedMs: cell.predictedMs,
    },
  };
}
