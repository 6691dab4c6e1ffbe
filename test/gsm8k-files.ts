/** GSM8K's own files for tests: in a `shared` folder beside the checkout; tests that need them say so where it is missing. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../shared/data/gsm8k/", import.meta.url));

export const gsm8k = {
  present: existsSync(`${folder}test.jsonl`) && existsSync(`${folder}train.jsonl`),
  test: `${folder}test.jsonl`,
  train: `${folder}train.jsonl`,
  /** What lm-evaluation-harness sends for --num_fewshot 8 --limit 5. */
  harnessPrompts: `${folder}lm_eval_prompts_limit5.jsonl`,
  /** For the name of a skipped block. */
  missing: `skipped: GSM8K is not at ${folder} (test.jsonl and train.jsonl of openai/grade-school-math)`,
};
