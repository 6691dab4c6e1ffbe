/** The digests by which two runs of the harness's task prove that they asked the same. */
import { createHash } from "node:crypto";
import type { Problem } from "./dataset.ts";
import type { EvalPrompt } from "./prompt.ts";

/** SHA-256, in hexadecimal, of UTF-8 bytes. */
export interface DocHashes {
  readonly doc: string;
  readonly prompt: string;
  readonly target: string;
}

export function hashesOf(prompt: EvalPrompt): DocHashes {
  return {
    doc: docHash(prompt.doc),
    prompt: sha256(prompt.text),
    target: sha256(prompt.target),
  };
}

/** Of the document as indented JSON. */
export function docHash({ question, answer }: Problem): string {
  return sha256(JSON.stringify({ question, answer }, null, 2));
}

/**
 * `task_hashes.gsm8k` of a results file: over the three digests of every row, and the harness has
 * a row for each filter.
 */
export function taskHash(hashes: readonly DocHashes[], filters = 2): string {
  const rows = hashes.map(({ doc, prompt, target }) => doc + prompt + target).join("");
  return sha256(rows.repeat(filters));
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
