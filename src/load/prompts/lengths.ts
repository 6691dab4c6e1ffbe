/** Prompts of our own with lengths like those of ShareGPT: chat-like load without a data set. */
import type { Random } from "../../base/random.ts";
import type { PromptKind } from "./prompt-source.ts";
import { passesLengthFilter } from "./sharegpt.ts";
import { drawTokenIds } from "./token-ids.ts";

/**
 * Log-normal lengths under ShareGPT's filter. The medians are solved so that the means after the
 * filter are 215 and 199 tokens, as 1000 prompts had that vLLM drew (vllm-project/vllm#31826); the
 * log-normal shape and its sigmas are a model of the long tail, not a fit to the data set.
 */
const inputLength = { median: 152.7, sigma: 1.4 };
const outputLength = { median: 117.5, sigma: 1.1 };

/** Common words, each one token in most BPE vocabularies when a space stands before it. */
const words =
  "the a model can run on each new day when people ask how to make it work with more care and less time but we know that good answers need some thought before they are sent back over a long line of small steps in which one part may fail while the other goes on as if all were well".split(
    " ",
  );

export const lengths = {
  name: "lengths",
  title: "prompts of our own with lengths like ShareGPT's (no data set needed)",
  create: ({ lengthScale, vocabSize, outputLen }) => {
    const scale = lengthScale === 1 ? "" : `, lengths times ${lengthScale}`;
    const kind =
      vocabSize === undefined ? "text of about a word a token" : `ids below ${vocabSize}`;
    return {
      name: "lengths",
      description: `ShareGPT-like log-normal lengths, ${kind}${scale}`,
      draw: async (count, random) =>
        Array.from({ length: count }, (_, index) => {
          const drawn = drawLengths(random);
          const promptTokens = scaled(drawn.input, lengthScale);
          const maxTokens = outputLen ?? scaled(drawn.output, lengthScale);
          const prompt =
            vocabSize === undefined
              ? drawText(promptTokens, random)
              : drawTokenIds(promptTokens, vocabSize, index, random);
          return { prompt, promptTokens, maxTokens };
        }),
    };
  },
} as const satisfies PromptKind;

function drawLengths(random: Random): { input: number; output: number } {
  for (;;) {
    const input = drawLogNormal(inputLength, random);
    const output = drawLogNormal(outputLength, random);
    if (passesLengthFilter(input, output)) return { input, output };
  }
}

function drawLogNormal(of: { median: number; sigma: number }, random: Random): number {
  return Math.round(of.median * Math.exp(of.sigma * random.normal()));
}

/** At least 1 token, however small the scale. */
export function scaled(length: number, scale: number): number {
  return Math.max(1, Math.round(length * scale));
}

function drawText(tokens: number, random: Random): string {
  return Array.from(
    { length: tokens },
    () => words[random.integer(0, words.length - 1)] as string,
  ).join(" ");
}
