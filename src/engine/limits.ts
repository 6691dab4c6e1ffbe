/** What an engine can hold, and the refusal of a request that could never run in it. */
import { QuantlabError } from "../base/errors.ts";
import type { EngineRequest } from "./events.ts";

export interface EngineLimits {
  /** Prompt and generated tokens of one request together. */
  readonly maxModelLen: number;
  /** Sequences in one step. */
  readonly maxNumSeqs: number;
  /** Tokens in one step; at least maxNumSeqs, so that every running sequence can decode. */
  readonly maxNumBatchedTokens: number;
  readonly blocks: number;
  readonly blockSize: number;
  readonly vocabSize: number;
}

/** @throws usage when no engine could run with these */
export function checkLimits(limits: EngineLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new QuantlabError("usage", `${name} is ${value}; it must be a whole number from 1`);
    }
  }
  if (limits.maxNumBatchedTokens < limits.maxNumSeqs) {
    throw new QuantlabError(
      "usage",
      `max-num-batched-tokens is ${limits.maxNumBatchedTokens}, below max-num-seqs, which is ${limits.maxNumSeqs}`,
      {
        hint: "each running sequence takes one token of a step: raise the first or lower the second",
      },
    );
  }
}

/** @throws request-too-long or request-invalid, so that what is admitted is sure to finish */
export function checkRequest(request: EngineRequest, limits: EngineLimits): void {
  const prompt = request.promptTokenIds.length;
  if (prompt === 0) {
    throw new QuantlabError("request-invalid", "the prompt has no tokens; at least 1 is needed");
  }
  checkVocabulary(request.promptTokenIds, limits.vocabSize);
  const { maxTokens } = request.params;
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    throw new QuantlabError("request-invalid", `max_tokens is ${maxTokens}; it must be at least 1`);
  }
  const total = prompt + maxTokens;
  if (total > limits.maxModelLen) {
    throw new QuantlabError(
      "request-too-long",
      `the prompt has ${prompt} tokens and max_tokens is ${maxTokens}: ${total} in all, but this server's max-model-len is ${limits.maxModelLen}`,
      { hint: "shorten the prompt, lower max_tokens, or serve with a larger --max-model-len" },
    );
  }
  // The last token is returned but never run, so it takes no place in the cache.
  const capacity = limits.blocks * limits.blockSize;
  if (total - 1 > capacity) {
    throw new QuantlabError(
      "request-too-long",
      `the request needs ${total - 1} tokens of KV cache, but the whole cache holds ${capacity}`,
      { hint: "lower max_tokens, or serve with a larger --kv-cache-memory" },
    );
  }
}

function checkVocabulary(tokenIds: readonly number[], vocabSize: number): void {
  for (const [index, id] of tokenIds.entries()) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new QuantlabError(
        "request-invalid",
        `prompt token ${index} is ${id}; token ids go from 0 to ${vocabSize - 1}`,
      );
    }
  }
}
