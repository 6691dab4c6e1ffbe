/** A file of the prompts alone: what would be asked, before anything is asked. */
import type { EvalPrompt } from "./prompt.ts";
import { pythonJson } from "./python-json.ts";

/** JSONL with the shots' places, written as Python would, so that files can be compared by bytes. */
export function promptLines(prompts: readonly EvalPrompt[]): string {
  return prompts
    .map(({ docId, shots, text, target }) => {
      const row = { doc_id: docId, fewshot_train_indices: shots, prompt: text, target };
      return `${pythonJson(row, true)}\n`;
    })
    .join("");
}
