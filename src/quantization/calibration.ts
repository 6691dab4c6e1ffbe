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
 * A .jsonl file gives a sequence a record (fields "text", or "question" and "answer"), any other file
 * is one text, cut into sequences of equal length.
 * @throws file-not-found, dataset-invalid
 */
export function calibrationSequences(
  tokenizer: Tokenizer,
  options: CalibrationOptions,
): readonly (readonly number[])[] {
  const documents = readDocuments(options.path);
  const sequences: number[][] = [];
  let left = options.tokens;
  for (const document of documents) {
    const ids = tokenizer.encode(document);
    for (let at = 0; at < ids.length && left > 0; at += options.sequenceLength) {
      const sequence = ids.slice(at, at + Math.min(options.sequenceLength, left));
      sequences.push(sequence);
      left -= sequence.length;
    }
  }
  const found = options.tokens - left;
  if (found >= minTokens) return sequences;
  throw new QuantlabError(
    "dataset-invalid",
    `${options.path} gives ${found} calibration tokens; at least ${minTokens} are needed`,
    { hint: "pass a longer text with --calibration-path" },
  );
}

/** Below this the statistics of a channel say nothing. */
const minTokens = 128;

function readDocuments(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuantlabError("file-not-found", `calibration text ${path} cannot be read`, { cause });
  }
  if (!path.endsWith(".jsonl")) return [text];
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => documentOf(line, `${path}:${i + 1}`));
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
