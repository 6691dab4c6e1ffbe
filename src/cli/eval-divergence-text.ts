/** The text whose tokens are compared: a file of the user's, or solved problems that the bundled model was not trained on. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { QuantlabError } from "../base/errors.ts";
import { parseProblems } from "../eval/gsm8k/dataset.ts";

export const defaultDivergenceText = fileURLToPath(
  new URL("../../models/gsm-tiny/gsm-synth/test.jsonl", import.meta.url),
);

/** @throws file-not-found, dataset-invalid */
export async function readDivergenceText(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new QuantlabError("file-not-found", `the text ${path} cannot be read`, {
      hint: "give --text-path with a UTF-8 text",
      cause,
    });
  });
  if (!path.endsWith(".jsonl")) return text;
  // As the prompts of eval gsm8k have them, solved.
  return parseProblems(text, path)
    .map(({ question, answer }) => `Question: ${question}\nAnswer: ${answer}\n\n`)
    .join("");
}
