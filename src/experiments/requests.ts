/** How requests are drawn: settings of the prompt sources, and seeds that keep warm-up apart. */
import type { PromptSettings } from "../load/prompts/prompt-source.ts";
import type { LabConfig } from "./config.ts";
import type { PromptModel } from "./experiment.ts";

/** Far from any seed that people give, so that no measured prompt has been seen in the warm-up. */
const warmupStream = 2 ** 33;

export function warmupSeed(config: LabConfig): number {
  return config.seed + warmupStream;
}

/** Random token ids of exactly these lengths. */
export function fixedLengths(
  inputLen: number,
  outputLen: number,
  model: PromptModel,
): PromptSettings {
  return {
    inputLen,
    outputLen,
    rangeRatio: 0,
    lengthScale: 1,
    vocabSize: model.vocabSize,
    countTokens: undefined,
  };
}
