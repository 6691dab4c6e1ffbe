/** Calibration text as token sequences: what the activations of a quantizer are measured on. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { QuantlabError } from "../base/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** The text that the project ships, written for it: prose, dialogue, code, sums and lists. */
export const shippedText = fileURLToPath(new URL("calibration.txt", import.meta.url));

export interface CalibrationOptions {
  readonly path: string;
  /** Tokens taken at most. */
  readonly tokens: number;
  /** Tokens of one sequence at most. */
  readonly sequenceLength: number;
}

/**
 * The text, cut into sequences of equal length. A .jsonl file is the text of its records (fields
 * "text", or "question" and "answer" as lm_eval's GSM8K prompt writes them) one after another.
 * @throws file-not-found, dataset-invalid
 */
export function calibrationSequences(
  tokenizer: Tokenizer,
  options: CalibrationOptions,
): readonly (readonly number[])[] {
  const { path, tokens, sequenceLength } = options;
  const ids = tokenizer.encode(readText(path)).slice(0, tokens);
  const sequences = Array.from({ length: Math.ceil(ids.length / sequenceLength) }, (_, i) =>
    ids.slice(i * sequenceLength, (i + 1) * sequenceLength),
  );
  if (ids.length >= minTokens) return sequences;
  throw new QuantlabError(
    "dataset-invalid",
    `${path} gives ${ids.length} calibration tokens; at least ${minTokens} are needed`,
    { hint: "pass a longer text with --calibration-path" },
  );
}

/** Below this the statistics of a channel say nothing. */
const minTokens = 128;

function readText(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuantlabError("file-not-found", `calibration text ${path} cannot be read`, { cause });
  }
  if (!path.endsWith(".jsonl")) return text;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => `${documentOf(line, `${path}:${i + 1}`)}\n\n`).join("");
}

function documentOf(line: string, where: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch (cause) {
    throw new QuantlabError("dataset-invalid", `${where} is not JSON`, { cause });
  }
  if (typeof record === "object" && record !== null) {
    if ("text" in record && typeof record.text === "string") return record.text;
    if ("question" in record && "answer" in record) {
      return `Question: ${record.question}\nAnswer: ${record.answer}`;
    }
  }
  throw new QuantlabError(
    "dataset-invalid",
    `${where} has neither a "text" nor a "question" with an "answer"`,
  );
}
