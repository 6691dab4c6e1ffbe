/** One row of an evaluation: its server, its responses kept as they come, its scores and files. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import { askAll, type EvalResponse, type ScoredDoc, scoreAll } from "../eval/gsm8k/evaluate.ts";
import { type EvalRun, type WrittenFiles, writeLmEvalFiles } from "../eval/gsm8k/lm-eval-files.ts";
import { type Journal, openJournal } from "../eval/gsm8k/journal.ts";
import type { RunningTarget, TargetFacts } from "../targets/target.ts";
import type { EvalGsm8kFlags, EvalPlan } from "./eval-gsm8k-plan.ts";
import type { EvalRow } from "./eval-server.ts";
import type { Progress } from "./progress.ts";

export interface RowResult {
  readonly label: string;
  readonly modelName: string;
  readonly scored: readonly ScoredDoc[];
  readonly facts: TargetFacts;
  readonly durationMs: number;
  readonly files: WrittenFiles | undefined;
}

/** @throws target-failed, request-failed, interrupted, run-invalid for a journal of another model */
export async function evaluateRow(
  row: EvalRow,
  plan: EvalPlan,
  flags: EvalGsm8kFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<RowResult> {
  const draw = (text: string) => progress.bar({ fraction: 0, leftMs: undefined, text });
  const server = await row.start((text) => draw(`${row.label}: ${text}`), signal);
  try {
    const facts = await server.facts();
    const startedWallMs = systemClock.wallMs();
    const startMs = systemClock.nowMs();
    const responses = await askServer(row, server, plan, flags, progress, signal);
    const durationMs = systemClock.nowMs() - startMs;
    progress.event(`${row.label}: ${responses.length} questions in ${formatDuration(durationMs)}`);
    const scored = scoreAll(plan.prompts, responses);
    const modelName =
      row.format === undefined ? server.modelName : `${server.modelName}-${row.label}`;
    const run: EvalRun = {
      scored,
      options: plan.options,
      available: plan.problems.test.length,
      limit: flags.limit,
      maxGenToks: flags.maxGenToks,
      modelName,
      baseUrl: server.baseUrl,
      concurrency: flags.numConcurrent,
      startedWallMs,
      durationMs,
      quantlab: { format: row.format, datasetSha256: plan.problems.testSha256, facts },
    };
    const files =
      flags.outputPath === undefined
        ? undefined
        : await writeLmEvalFiles(flags.outputPath, run, flags.logSamples);
    return { label: row.label, modelName, scored, facts, durationMs, files };
  } finally {
    await server.stop();
  }
}

async function askServer(
  row: EvalRow,
  server: RunningTarget,
  plan: EvalPlan,
  flags: EvalGsm8kFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<EvalResponse[]> {
  const journal = await journalOf(row, server, flags);
  // A server that dies ends the row at once instead of question by question.
  const death = new AbortController();
  let lastWords = "";
  void server.died.then((reason) => {
    lastWords = reason;
    death.abort();
  });
  const startMs = systemClock.nowMs();
  const before = journal?.known.length ?? 0;
  try {
    return await askAll({
      server: { baseUrl: server.baseUrl, modelName: server.modelName, apiKey: flags.apiKey },
      prompts: plan.prompts,
      maxGenToks: flags.maxGenToks,
      concurrency: flags.numConcurrent,
      clock: systemClock,
      signal: AbortSignal.any([signal, death.signal]),
      known: journal?.known,
      onResponse: (response) => journal?.append(response),
      onProgress: (done, total) => {
        const fresh = done - before;
        const perQuestionMs = (systemClock.nowMs() - startMs) / Math.max(1, fresh);
        progress.bar({
          fraction: done / total,
          leftMs: fresh > 0 ? perQuestionMs * (total - done) : undefined,
          text: `${row.label}: ${done}/${total} questions`,
        });
      },
    });
  } catch (error) {
    if (lastWords === "" || signal.aborted) throw error;
    throw new QuantlabError("target-failed", `${row.label}: ${lastWords}`, {
      hint: server.logTail() || "it wrote nothing to its log",
    });
  } finally {
    await journal?.close();
  }
}

async function journalOf(
  row: EvalRow,
  server: RunningTarget,
  { outputPath, maxGenToks, resume }: EvalGsm8kFlags,
): Promise<Journal | undefined> {
  if (outputPath === undefined) return undefined;
  await mkdir(outputPath, { recursive: true });
  const path = join(
    outputPath,
    `responses_gsm8k_${row.label.replace(/[^A-Za-z0-9._-]+/g, "_")}.jsonl`,
  );
  const settings = { model: server.modelName, format: row.format, maxGenToks };
  return openJournal(path, settings, resume);
}
