/** Prompts from a JSONL file, in the layout of vLLM's `custom` data set. */
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import { readJsonLines } from "../../base/json-lines.ts";
import { type DrawnPrompt, type PromptKind, tokenCounter } from "./prompt-source.ts";

const lineSchema = z.looseObject({
  prompt: z.union([z.string(), z.array(z.number().int().nonnegative())]),
  output_tokens: z.number().int().positive().optional(),
});

/** What vLLM takes when neither the file nor a flag says. */
const defaultOutputLen = 256;

export const custom = {
  name: "custom",
  title: 'JSONL of {"prompt": text or ids, "output_tokens": n} (--dataset-path)',
  create: (settings) => {
    const { path, outputLen } = settings;
    if (path === undefined) {
      throw new QuantlabError("usage", "the custom data set needs its file", {
        hint: 'give --dataset-path prompts.jsonl, one {"prompt": "..."} a line',
      });
    }
    const { count: tokensOf, note } = tokenCounter(settings);
    return {
      name: "custom",
      description: `custom JSONL${note}`,
      draw: async (count, random) => {
        const drawn: DrawnPrompt[] = [];
        for await (const line of readJsonLines(path)) {
          const { prompt, output_tokens } = parseLine(line, path);
          drawn.push({
            prompt,
            promptTokens: typeof prompt === "string" ? tokensOf(prompt) : prompt.length,
            maxTokens: outputLen ?? output_tokens ?? defaultOutputLen,
          });
        }
        if (drawn.length < count) {
          throw new QuantlabError(
            "dataset-invalid",
            `${path} has ${drawn.length} prompts, ${count} were asked for`,
            { hint: `give --num-prompts ${drawn.length}` },
          );
        }
        return random.shuffle(drawn).slice(0, count);
      },
    };
  },
} as const satisfies PromptKind;

function parseLine(line: unknown, path: string): z.infer<typeof lineSchema> {
  const parsed = lineSchema.safeParse(line);
  if (parsed.success) return parsed.data;
  throw new QuantlabError(
    "dataset-invalid",
    `${path}: a line is not {"prompt": ..., "output_tokens": n}: ${z.prettifyError(parsed.error)}`,
  );
}
