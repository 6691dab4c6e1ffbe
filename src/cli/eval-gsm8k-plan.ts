/** What `eval gsm8k` was asked to do: its flags, and the prompts that follow from them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { limitedCount, type ProblemSet, readProblems } from "../eval/gsm8k/dataset.ts";
import type { FilterName } from "../eval/gsm8k/extract.ts";
import { hashesOf, taskHash } from "../eval/gsm8k/hashes.ts";
import { buildPrompts, type EvalPrompt, type PromptOptions } from "../eval/gsm8k/prompt.ts";
import { promptLines } from "../eval/gsm8k/prompt-file.ts";
import type { EvalServerFlags } from "./eval-server.ts";
import type { Progress } from "./progress.ts";

export interface EvalGsm8kFlags extends EvalServerFlags {
  readonly datasetPath?: string;
  readonly trainPath?: string;
  readonly numFewshot: number;
  readonly fewshotSeed: number;
  readonly limit?: number;
  readonly filter: FilterName;
  readonly applyChatTemplate: boolean;
  readonly fewshotAsMultiturn: boolean;
  readonly systemInstruction?: string;
  readonly maxGenToks: number;
  readonly outputPath?: string;
  readonly logSamples: boolean;
  readonly promptsOnly: boolean;
  readonly resume: boolean;
  readonly json: boolean;
}

/** What is asked of every row. */
export interface EvalPlan {
  readonly problems: ProblemSet;
  readonly prompts: readonly EvalPrompt[];
  readonly options: PromptOptions;
  readonly taskHash: string;
}

const bundledTest = fileURLToPath(
  new URL("../../models/gsm-tiny/gsm-synth/test.jsonl", import.meta.url),
);

/** @throws file-not-found, dataset-invalid */
export async function planEvaluation(flags: EvalGsm8kFlags): Promise<EvalPlan> {
  const { datasetPath = bundledTest, trainPath, numFewshot } = flags;
  const problems = await readProblems(datasetPath, numFewshot, trainPath);
  const options: PromptOptions = {
    numFewshot,
    fewshotSeed: flags.fewshotSeed,
    style: styleOf(flags),
    systemInstruction: flags.systemInstruction,
  };
  const prompts = buildPrompts(problems, limitedCount(problems.test.length, flags.limit), options);
  return { problems, prompts, options, taskHash: taskHash(prompts.map(hashesOf)) };
}

function styleOf(flags: EvalGsm8kFlags): PromptOptions["style"] {
  if (!flags.applyChatTemplate) return "plain";
  return flags.fewshotAsMultiturn ? "chat-multiturn" : "chat";
}

/** Before any server is asked, so that they can be looked at even where none answers. */
export async function writePrompts(
  flags: EvalGsm8kFlags,
  plan: EvalPlan,
  progress: Progress,
): Promise<void> {
  if (flags.outputPath === undefined || !(flags.logSamples || flags.promptsOnly)) return;
  const path = join(flags.outputPath, "prompts_gsm8k.jsonl");
  await mkdir(flags.outputPath, { recursive: true });
  await writeFile(path, promptLines(plan.prompts));
  progress.event(`${plan.prompts.length} prompts in ${path}`);
}
