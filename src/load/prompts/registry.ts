/** The prompt sources, by the names that `vllm bench serve` gives them. */
import { QuantlabError } from "../../base/errors.ts";
import { custom } from "./custom.ts";
import { lengths } from "./lengths.ts";
import type { PromptKind, PromptSettings, PromptSource } from "./prompt-source.ts";
import { random } from "./random.ts";
import { sharegpt } from "./sharegpt.ts";
import { trace } from "./trace.ts";

export const promptKinds: readonly PromptKind[] = [lengths, random, sharegpt, custom, trace];

/** @throws usage for an unknown name or a setting that the source needs and does not have */
export function promptSourceOf(name: string, settings: PromptSettings): PromptSource {
  const kind = promptKinds.find((candidate) => candidate.name === name);
  if (kind === undefined) {
    throw new QuantlabError("usage", `"${name}" is not a data set`, {
      hint: `choose one of ${promptKinds.map((candidate) => candidate.name).join(", ")}`,
    });
  }
  return kind.create(settings);
}
