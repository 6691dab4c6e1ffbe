/** E4: exact match on GSM8K-style questions, prompts and scores as lm-evaluation-harness has them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/json-lines.ts";
import { limitedCount, readProblems } from "../eval/gsm8k/dataset.ts";
import {
  askAll,
  defaultMaxGenToks,
  type EvalResponse,
  type ScoredDoc,
  scoreAll,
} from "../eval/gsm8k/evaluate.ts";
import { type FilterName, filterNames } from "../eval/gsm8k/extract.ts";
import { hashesOf, taskHash } from "../eval/gsm8k/hashes.ts";
import { sampleLines } from "../eval/gsm8k/lm-eval-files.ts";
import { buildPrompts, defaultFewshotSeed, type EvalPrompt } from "../eval/gsm8k/prompt.ts";
import { meanScore } from "../eval/gsm8k/score.ts";
import type { CellResult } from "../results/run.ts";
import { recordsFile } from "../results/store.ts";
import { accuracyConcurrency, accuracySkip, questionsPath } from "./accuracy-plan.ts";
import type { LabConfig } from "./config.ts";
import { closedLoopMs } from "./cost.ts";
import type { CellContext, Experiment, PlannedCell } from "./experiment.ts";
import { defined } from "./measure.ts";

type Accuracy = NonNullable<LabConfig["experiments"]["accuracy"]>;

/** The filter whose scores are compared: it judges the number, not the obedience to a form. */
const comparedFilter: FilterName = "flexible-extract";

/** Tokens of a question, of a solved example and of an answer, by gsm-tiny's tokenizer on gsm-synth. */
const typicalTokens = { question: 60, shot: 150, answer: 90 };

function settingsOf(config: LabConfig): Accuracy {
  const { accuracy } = config.experiments;
  if (accuracy === undefined) throw new Error("accuracy was not asked for");
  return accuracy;
}

export const accuracy: Experiment = {
  name: "accuracy",
  title: "E4 accuracy",
  plan(config, cost) {
    const settings = config.experiments.accuracy;
    if (settings === undefined) return [];
    const skip = accuracySkip(config);
    const predictedMs =
      cost === undefined || skip !== undefined
        ? 0
        : closedLoopMs(cost, {
            requests: settings.limit,
            concurrency: accuracyConcurrency,
            inputLen: typicalTokens.question + settings.numFewshot * typicalTokens.shot,
            outputLen: typicalTokens.answer,
          });
    return [{ setting: settings.task, predictedMs, skip }];
  },
  draw: async () => undefined,
  async run(cell, context) {
    const startedWallMs = context.clock.wallMs();
    const startMs = context.clock.nowMs();
    const prompts = await promptsOf(context.config);
    const responses = await answers(prompts, context);
    const scored = scoreAll(prompts, responses);
    await writeFile(join(context.folder, "samples_gsm8k.jsonl"), sampleLines(scored));
    const durationMs = context.clock.nowMs() - startMs;
    return resultOf(cell, context, scored, { startedWallMs, durationMs });
  },
};

async function promptsOf(config: LabConfig): Promise<EvalPrompt[]> {
  const { numFewshot, limit } = settingsOf(config);
  const problems = await readProblems(questionsPath(config), numFewshot);
  return buildPrompts(problems, limitedCount(problems.test.length, limit), {
    numFewshot,
    fewshotSeed: defaultFewshotSeed,
    style: "plain",
  });
}

/** Responses go to the cell's records as they come. */
async function answers(
  prompts: readonly EvalPrompt[],
  context: CellContext,
): Promise<EvalResponse[]> {
  const { target, clock, signal } = context;
  const writer = await JsonLinesWriter.open(join(context.folder, recordsFile), "w");
  try {
    return await askAll({
      server: { baseUrl: target.baseUrl, modelName: target.modelName },
      prompts,
      maxGenToks: defaultMaxGenToks,
      concurrency: accuracyConcurrency,
      clock,
      signal,
      onResponse: (response) => writer.append(response),
      onProgress: (done, total) => context.onProgress(done / total, `${done}/${total} questions`),
    });
  } finally {
    await writer.close();
  }
}

async function resultOf(
  cell: PlannedCell,
  context: CellContext,
  scored: readonly ScoredDoc[],
  times: { readonly startedWallMs: number; readonly durationMs: number },
): Promise<CellResult> {
  const { numFewshot, task } = settingsOf(context.config);
  const facts = await context.target.facts();
  if (facts.trained === false) {
    throw new QuantlabError("checkpoint-mismatch", `${context.served.model} is not trained`, {
      hint: "its answers mean nothing: leave accuracy out, or name experiments.accuracy.model",
    });
  }
  const scoresOf = (name: FilterName) => scored.map(({ scores }) => scores[name]);
  const tokens = scored.map(({ response }) => response.completionTokens);
  const cutOff = scored.filter(({ response }) => response.finishReason === "length").length;
  return {
    quantlab: {
      key: cell.key,
      status: "done",
      startedAt: new Date(times.startedWallMs).toISOString(),
      durationMs: times.durationMs,
      validity: { valid: true, reasons: [] },
      figures: defined({
        accuracy: meanScore(scoresOf(comparedFilter)).mean,
        accuracyStandardError: meanScore(scoresOf(comparedFilter)).standardError,
        accuracyStrict: meanScore(scoresOf("strict-match")).mean,
        questions: scored.length,
        answersCutOff: cutOff,
        tokens: tokens.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      }),
      facts: { ...facts },
      predictedMs: cell.predictedMs,
      accuracy: {
        task,
        model: context.served.model,
        taskHash: taskHash(scored.map(({ prompt }) => hashesOf(prompt))),
        numFewshot,
        filter: comparedFilter,
        // One character a question, so that rows can be paired from result.json alone.
        scores: Object.fromEntries(filterNames.map((name) => [name, scoresOf(name).join("")])),
      },
    },
  };
}
