/** What OpenAI-compatible endpoints give: answers, chunks, errors; shared by server and clients. */
import { z } from "zod";

export const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number() }).nullish(),
});
export type Usage = z.output<typeof usageSchema>;

const finishReasonSchema = z.string().nullable();

/** The lists of /v1/completions: one entry a token; the first token of a prompt has no logprob. */
export const textLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
  text_offset: z.array(z.number()),
});
export type TextLogprobs = z.output<typeof textLogprobsSchema>;

/** vLLM's addition: by token id, null for the first token of the prompt. */
export const promptLogprobsSchema = z.array(
  z
    .record(
      z.string(),
      z.object({ logprob: z.number(), rank: z.number(), decoded_token: z.string() }),
    )
    .nullable(),
);
export type PromptLogprobs = z.output<typeof promptLogprobsSchema>;

const textChoiceSchema = z.object({
  index: z.number(),
  text: z.string(),
  logprobs: textLogprobsSchema.nullish(),
  finish_reason: finishReasonSchema,
  prompt_logprobs: promptLogprobsSchema.nullish(),
  token_ids: z.array(z.number()).nullish(),
});
export type TextChoice = z.output<typeof textChoiceSchema>;

/** Answer of /v1/completions, whole or one chunk of it: both have the same object name. */
export const completionSchema = z.object({
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.number(),
  model: z.string(),
  choices: z.array(textChoiceSchema),
  usage: usageSchema.nullish(),
});
export type Completion = z.output<typeof completionSchema>;

const likelyTokenSchema = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number()).nullable(),
});

/** One entry a token of a chat's answer. */
export const chatLogprobsSchema = z.object({
  content: z.array(likelyTokenSchema.extend({ top_logprobs: z.array(likelyTokenSchema) })),
});
export type ChatLogprobs = z.output<typeof chatLogprobsSchema>;

/** Whole answer of /v1/chat/completions. */
export const chatCompletionSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number(),
      message: z.object({ role: z.literal("assistant"), content: z.string().nullable() }),
      logprobs: chatLogprobsSchema.nullish(),
      finish_reason: finishReasonSchema,
      token_ids: z.array(z.number()).nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});
export type ChatCompletion = z.output<typeof chatCompletionSchema>;

/** One streamed chunk of /v1/chat/completions. */
export const chatChunkSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion.chunk"),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number(),
      delta: z.object({
        role: z.literal("assistant").optional(),
        content: z.string().nullish(),
      }),
      logprobs: chatLogprobsSchema.nullish(),
      finish_reason: finishReasonSchema,
      token_ids: z.array(z.number()).nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});
export type ChatChunk = z.output<typeof chatChunkSchema>;

/** Body of every error answer, and of an error event inside a stream. */
export const errorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullish(),
    code: z.union([z.string(), z.number()]).nullish(),
  }),
});
export type ErrorBody = z.output<typeof errorBodySchema>;

/** GET /v1/models. */
export const modelListSchema = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      id: z.string(),
      object: z.literal("model"),
      created: z.number(),
      owned_by: z.string(),
      /** vLLM's addition. */
      max_model_len: z.number().optional(),
    }),
  ),
});
export type ModelList = z.output<typeof modelListSchema>;
