/** Fields of OpenAI's and vLLM's API that this server knows and refuses, by name, unless neutral. */
import { z } from "zod";

/** Accepts the values that ask for nothing; anything else must not be ignored silently. */
function refused(...neutral: readonly unknown[]) {
  return z
    .unknown()
    .refine((value) => value === undefined || value === null || neutral.includes(value), {
      error:
        neutral.length === 0
          ? "is not supported by this server; leave it out"
          : `is not supported by this server; leave it out or send ${JSON.stringify(neutral[0])}`,
    })
    .optional();
}

const emptyObject = z
  .record(z.string(), z.unknown())
  .refine((value) => Object.keys(value).length === 0, {
    error: "is not supported by this server; leave it out or send {}",
  })
  .nullish();

/** Of both endpoints. */
export const refusedFields = {
  n: refused(1),
  best_of: refused(1),
  echo: refused(false),
  suffix: refused(),
  logprobs: refused(false),
  prompt_logprobs: refused(),
  logit_bias: emptyObject,
  presence_penalty: refused(0),
  frequency_penalty: refused(0),
  repetition_penalty: refused(1),
  min_p: refused(0),
  length_penalty: refused(1),
  use_beam_search: refused(false),
  bad_words: refused(),
  allowed_token_ids: refused(),
  guided_json: refused(),
  guided_regex: refused(),
  guided_choice: refused(),
  structured_outputs: refused(),
};

const plainText = z
  .strictObject({ type: z.literal("text", { error: "only text is supported by this server" }) })
  .nullish();

/** Of chat alone. */
export const refusedChatFields = {
  tools: refused(),
  tool_choice: refused("none"),
  parallel_tool_calls: refused(false, true),
  functions: refused(),
  function_call: refused("none"),
  response_format: plainText,
  top_logprobs: refused(0),
  modalities: refused(),
  audio: refused(),
  prediction: refused(),
  reasoning_effort: refused(),
  web_search_options: refused(),
};
