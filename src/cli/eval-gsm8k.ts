/** `quantlab eval gsm8k`: the questions, prompts and scores of lm-evaluation-harness's task (E4). */
import { Command, Option } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { defaultMaxGenToks } from "../eval/gsm8k/evaluate.ts";
import { filterNames } from "../eval/gsm8k/extract.ts";
import { defaultFewshotSeed } from "../eval/gsm8k/prompt.ts";
import { type EvalGsm8kFlags, planEvaluation, writePrompts } from "./eval-gsm8k-plan.ts";
import { evaluateRow, type RowResult } from "./eval-gsm8k-row.ts";
import { renderEvaluation, toEvalJson } from "./eval-gsm8k-table.ts";
import { addEvalServerFlags, evalRows } from "./eval-server.ts";
import { positiveInteger, positiveNumber, wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";

const example = `
Prompts, few-shot draw, filters and scores are those of lm_eval's task gsm8k; files have its layout.
Several formats or checkpoints answer the same questions and are tested in pairs against the first.

Examples:
  $ quantlab eval gsm8k --formats bf16,fp8,awq --limit 250
  $ quantlab eval gsm8k --base-url http://127.0.0.1:8000 --dataset-path gsm8k/test.jsonl \\
      --num-fewshot 8 --limit 100 --output-path out --log-samples
  $ quantlab eval gsm8k --dataset-path gsm8k/test.jsonl --prompts-only --output-path out`;

export function evalGsm8kCommand(): Command {
  const command = new Command("gsm8k").description(
    "exact match on grade-school problems, as lm-evaluation-harness scores it",
  );
  return addEvalServerFlags(command)
    .option("--dataset-path <file>", "test.jsonl of GSM8K (default: the bundled gsm-synth)")
    .option("--train-path <file>", "where shots come from (default: train.jsonl beside it)")
    .option("--num-fewshot <n>", "solved examples in front of each question", wholeNumber, 8)
    .option("--fewshot-seed <n>", "of the draw of examples", wholeNumber, defaultFewshotSeed)
    .option("--limit <n>", "the first n questions, or a share below 1", positiveNumber)
    .addOption(
      new Option("--filter <name>", "the filter whose scores are compared")
        .choices(filterNames)
        .default("flexible-extract"),
    )
    .option("--apply-chat-template", "send messages to /v1/chat/completions", false)
    .option("--no-fewshot-as-multiturn", "in a chat, all examples in one message")
    .option("--system-instruction <text>", "in front of every prompt")
    .option("--max-gen-toks <n>", "tokens of an answer at most", positiveInteger, defaultMaxGenToks)
    .option("--output-path <folder>", "results, and responses as they come")
    .option("--log-samples", "prompts and samples in --output-path too", false)
    .option("--prompts-only", "write the prompts and ask nobody", false)
    .option("--resume", "keep the responses that an interrupted run left", false)
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", example)
    .action((flags: EvalGsm8kFlags) => evalGsm8k(flags));
}

async function evalGsm8k(flags: EvalGsm8kFlags): Promise<void> {
  requireOutput(flags);
  // Data first: nothing is started or timed before it is known to be there.
  const plan = await planEvaluation(flags);
  const progress = new Progress();
  await writePrompts(flags, plan, progress);
  if (flags.promptsOnly) {
    process.stdout.write(`task_hashes.gsm8k ${plan.taskHash}\n`);
    return;
  }
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const rows: RowResult[] = [];
  try {
    for (const row of evalRows(flags)) {
      rows.push(await evaluateRow(row, plan, flags, progress, interrupt.signal));
    }
  } catch (error) {
    throw resumable(error, flags);
  } finally {
    progress.end();
    process.removeListener("SIGINT", onSignal).removeListener("SIGTERM", onSignal);
  }
  const text = flags.json
    ? `${JSON.stringify(toEvalJson(plan, flags, rows))}\n`
    : renderEvaluation(plan, flags, rows);
  process.stdout.write(text);
}

function requireOutput({ outputPath, logSamples, promptsOnly, resume }: EvalGsm8kFlags): void {
  if (outputPath !== undefined || !(logSamples || promptsOnly || resume)) return;
  throw new QuantlabError("usage", "--log-samples, --prompts-only and --resume need a folder", {
    hint: "add --output-path out",
  });
}

function resumable(error: unknown, { outputPath }: EvalGsm8kFlags): unknown {
  if (!(error instanceof QuantlabError) || outputPath === undefined) return error;
  if (error.code !== "interrupted" && error.code !== "request-failed") return error;
  return new QuantlabError(error.code, error.message, {
    hint: `what has been answered is in ${outputPath}; the same command with --resume goes on from there`,
    cause: error,
  });
}
