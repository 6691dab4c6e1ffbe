/** A request's sampling fields to the engine's parameters. */
import { QuantlabError } from "../base/errors.ts";
import type { LogitChanges, SamplingParams } from "../engine/events.ts";
import type { ChatRequest, CompletionRequest } from "../openai/requests.ts";

export interface SamplingWishes {
  readonly request: CompletionRequest | ChatRequest;
  readonly maxTokens: number;
  readonly vocabSize: number;
  /** Most likely tokens to report with each token of the answer; undefined reports nothing. */
  readonly logprobs: number | undefined;
  readonly promptLogprobs?: number | undefined;
  /** Which of the prompt's n answers: each has a random stream of its own. */
  readonly answer: number;
}

/** @throws request-invalid for a token id outside the vocabulary */
export function toSamplingParams(wishes: SamplingWishes): SamplingParams {
  const { request, maxTokens, logprobs, promptLogprobs, answer } = wishes;
  const changes = changesOf(wishes);
  return {
    maxTokens,
    minTokens: request.min_tokens ?? 0,
    temperature: request.temperature ?? 1,
    topK: Math.max(0, request.top_k ?? 0),
    topP: request.top_p ?? 1,
    // vLLM too counts up from the seed.
    seed: request.seed === undefined ? undefined : request.seed + answer,
    ignoreEos: request.ignore_eos ?? false,
    stopTokenIds: request.stop_token_ids ?? [],
    ...(changes === undefined ? {} : { changes }),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(promptLogprobs === undefined ? {} : { promptLogprobs }),
  };
}

/** undefined where every value is neutral, so that the logits stay where they are. */
function changesOf({ request, vocabSize }: SamplingWishes): LogitChanges | undefined {
  const bias = Object.entries(request.logit_bias ?? {}).map(
    ([id, value]) => [Number(id), value] as const,
  );
  const wrong = bias.find(([id]) => id >= vocabSize);
  if (wrong !== undefined) {
    throw new QuantlabError(
      "request-invalid",
      `logit_bias names token ${wrong[0]}; token ids go from 0 to ${vocabSize - 1}`,
    );
  }
  const changes: LogitChanges = {
    bias,
    repetitionPenalty: request.repetition_penalty ?? 1,
    frequencyPenalty: request.frequency_penalty ?? 0,
    presencePenalty: request.presence_penalty ?? 0,
    minP: request.min_p ?? 0,
  };
  const isNeutral =
    bias.length === 0 &&
    changes.repetitionPenalty === 1 &&
    changes.frequencyPenalty === 0 &&
    changes.presencePenalty === 0 &&
    changes.minP === 0;
  return isNeutral ? undefined : changes;
}
