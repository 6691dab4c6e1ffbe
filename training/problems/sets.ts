/** The committed files of gsm-synth: which split, which seed, how many. */
import { distinctProblems, type Split, toLine } from "./generate.ts";

export interface ProblemSet {
  readonly file: string;
  readonly split: Split;
  readonly seed: number;
  readonly count: number;
}

/**
 * `test` has as many items as GSM8K's test split; `train` only feeds few-shot examples;
 * `larger` has 15 items for each template of training, `held-out` 100 for each that training never
 * saw.
 */
export const sets: readonly ProblemSet[] = [
  { file: "train.jsonl", split: "train", seed: 20_261, count: 500 },
  { file: "test.jsonl", split: "test", seed: 20_262, count: 1319 },
  { file: "larger.jsonl", split: "larger", seed: 20_264, count: 1290 },
  { file: "held-out.jsonl", split: "held-out", seed: 20_263, count: 1100 },
];

/** The text of a set's file. */
export function renderSet(set: ProblemSet): string {
  return distinctProblems(set.split, set.seed, set.count)
    .map((problem) => `${toLine(problem)}\n`)
    .join("");
}
