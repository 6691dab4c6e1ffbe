/** ShareGPT conversations by the rules with which vLLM samples them. */
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import { readJsonArray } from "./json-array.ts";
import { type DrawnPrompt, type PromptKind, tokenCounter } from "./prompt-source.ts";

const conversationSchema = z.looseObject({
  conversations: z.array(z.looseObject({ value: z.string() })).optional(),
});

interface Turns {
  readonly prompt: string;
  readonly answer: string;
}

/** vLLM keeps prompts of 4 to 1024 tokens, answers of at least 4, and 2048 of both at most. */
export function passesLengthFilter(promptTokens: number, answerTokens: number): boolean {
  return (
    promptTokens >= 4 &&
    answerTokens >= 4 &&
    promptTokens <= 1024 &&
    promptTokens + answerTokens <= 2048
  );
}

export const sharegpt = {
  name: "sharegpt",
  title: "first turns of ShareGPT conversations (--dataset-path ShareGPT_V3_....json)",
  create: (settings) => {
    const { path, outputLen, lengthScale } = settings;
    if (path === undefined) {
      throw new QuantlabError("usage", "the sharegpt data set needs its file", {
        hint: "give --dataset-path ShareGPT_V3_unfiltered_cleaned_split.json",
      });
    }
    const { count: tokensOf, note } = tokenCounter(settings);
    const scale = lengthScale === 1 ? "" : `, answer lengths times ${lengthScale}`;
    return {
      name: "sharegpt",
      description: `ShareGPT first turns by vLLM's filter${scale}${note}`,
      draw: async (count, random) => {
        const drawn: DrawnPrompt[] = [];
        for (const { prompt, answer } of random.shuffle(await readTurns(path))) {
          if (drawn.length === count) break;
          const promptTokens = tokensOf(prompt);
          // With a forced answer length the recorded answer may be short, but not missing.
          const answerTokens = outputLen ?? tokensOf(answer);
          if (!passesLengthFilter(promptTokens, Math.max(answerTokens, outputLen ? 4 : 0)))
            continue;
          const maxTokens = outputLen ?? Math.max(1, Math.round(answerTokens * lengthScale));
          drawn.push({ prompt, promptTokens, maxTokens });
        }
        return oversample(drawn, count, random.integer.bind(random), path);
      },
    };
  },
} as const satisfies PromptKind;

/** First two turns of every conversation that has them; who speaks is not checked, as in vLLM. */
async function readTurns(path: string): Promise<Turns[]> {
  const turns: Turns[] = [];
  for await (const element of readJsonArray(path)) {
    const parsed = conversationSchema.safeParse(element);
    if (!parsed.success) {
      throw new QuantlabError(
        "dataset-invalid",
        `${path} is not ShareGPT: an element has no conversations[].value`,
        { cause: parsed.error },
      );
    }
    const [prompt, answer] = parsed.data.conversations ?? [];
    if (prompt !== undefined && answer !== undefined) {
      turns.push({ prompt: prompt.value, answer: answer.value });
    }
  }
  return turns;
}

/** Repeats prompts at random when too few pass the filter, as vLLM does. */
function oversample(
  drawn: readonly DrawnPrompt[],
  count: number,
  integer: (low: number, high: number) => number,
  path: string,
): readonly DrawnPrompt[] {
  if (drawn.length === 0) {
    throw new QuantlabError(
      "dataset-invalid",
      `${path} has no conversation that passes the filter`,
    );
  }
  const missing = Array.from(
    { length: count - drawn.length },
    () => drawn[integer(0, drawn.length - 1)] as DrawnPrompt,
  );
  return [...drawn, ...missing];
}
