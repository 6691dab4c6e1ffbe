/** Which architectures of config.json we run, and what builds each. */
import { QuantlabError } from "../base/errors.ts";
import { LlamaModel, type LoadedModel, type ModelLimits } from "./llama.ts";
import type { Model } from "./model.ts";

export type ModelConstructor = (model: LoadedModel, limits: ModelLimits) => Model;

const llama: ModelConstructor = (model, limits) => new LlamaModel(model, limits);

/** Mistral without a sliding window is Llama; Qwen2 adds q, k, v biases and Qwen3 query and key norms. */
const architectures: Readonly<Record<string, ModelConstructor>> = {
  LlamaForCausalLM: llama,
  MistralForCausalLM: llama,
  Qwen2ForCausalLM: llama,
  Qwen3ForCausalLM: llama,
};

/** @throws architecture-unsupported, with the names there are */
export function constructorOf(architecture: string): ModelConstructor {
  const found = Object.hasOwn(architectures, architecture)
    ? architectures[architecture]
    : undefined;
  if (found !== undefined) return found;
  throw new QuantlabError(
    "architecture-unsupported",
    `the checkpoint is a ${architecture}, which quantlab does not run`,
    { hint: `it runs ${Object.keys(architectures).join(", ")}` },
  );
}
