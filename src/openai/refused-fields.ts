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

/** Of both endpoints. */
export const refusedFields = {
  best_of: refused(1),
  length_penalty: refused(1),
  use_beam_search: refused(false),
  bad_words: refused(),
  allowed_token_ids: refused(),
  guided_json: refused(),
  guided_regex: refused(),
  guided_choice: refused(),
  guided_grammar: refused(),
  structured_outputs: refused(),
  logits_processors: refused(),
  skip_special_tokens: refused(true),
  spaces_between_special_tokens: refused(true, false),
  include_stop_str_in_output: refused(false),
  truncate_prompt_tokens: refused(),
  return_tokens_as_token_ids: refused(false),
  priority: refused(0),
};

const plainText = z
  .strictObject({ type: z.literal("text", { error: "only text is supported by this server" }) })
  .nullish();

/** Of completions alone. */
export const refusedCompletionFields = {
  suffix: refused(),
  response_format: plainText,
};

/** Of chat alone. */
export const refusedChatFields = {
  echo: refused(false),
  prompt_logprobs: refused(),
  tools: refused(),
  tool_choice: refused("none"),
  parallel_tool_calls: refused(false, true),
  functions: refused(),
  function_call: refused("none"),
  response_format: plainText,
  modalities: refused(),
  audio: refused(),
  prediction: refused(),
  reasoning_effort: refused(),
  web_search_options: refused(),
  add_generation_prompt: refused(true),
  continue_final_message: refused(false),
};
