/** Random token ids of given lengths, after vLLM's `random` data set. */
import { QuantlabError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { PromptKind } from "./prompt-source.ts";
import { drawTokenIds } from "./token-ids.ts";

/** What `vllm bench latency` draws its ids below: inside nearly every vocabulary. */
const defaultVocabSize = 10_000;

export const random = {
  name: "random",
  title: "random token ids of --input-len and --output-len tokens",
  create: ({ inputLen, outputLen = 128, rangeRatio, vocabSize = defaultVocabSize }) => {
    if (!(rangeRatio >= 0 && rangeRatio < 1)) {
      throw new QuantlabError("usage", `range ratio ${rangeRatio} is not in [0, 1)`, {
        hint: "0 gives every prompt the same length; 0.2 spreads lengths by 20 % either way",
      });
    }
    const spread = rangeRatio === 0 ? "" : `, lengths spread by ±${rangeRatio * 100} %`;
    return {
      name: "random",
      description: `random ids below ${vocabSize}: ${inputLen} in, ${outputLen} out${spread}`,
      draw: async (count, source) =>
        Array.from({ length: count }, (_, index) => {
          const promptTokens = drawLength(inputLen, rangeRatio, source);
          const maxTokens = drawLength(outputLen, rangeRatio, source);
          const prompt = drawTokenIds(promptTokens, vocabSize, index, source);
          return { prompt, promptTokens, maxTokens };
        }),
    };
  },
} as const satisfies PromptKind;

/** Uniform integer in [floor(L(1-r)), ceil(L(1+r))], at least 1. */
function drawLength(length: number, rangeRatio: number, random: Random): number {
  const low = Math.max(1, Math.floor(length * (1 - rangeRatio)));
  return random.integer(low, Math.max(low, Math.ceil(length * (1 + rangeRatio))));
}
