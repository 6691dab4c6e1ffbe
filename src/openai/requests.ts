/** What this server's endpoints take; clients' bodies are parsed by these and nothing else. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { refusedChatFields, refusedCompletionFields, refusedFields } from "./refused-fields.ts";

/** Clients send null where they mean "left out". */
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);

const count = z.int().min(0);

/** The most logprobs a token may ask for: vLLM's --max-logprobs. */
const topCount = z.int().min(0).max(20);

const samplingFields = {
  /** Must be the served name when given. */
  model: optional(z.string()),
  /** Answers to each prompt. */
  n: optional(z.int().min(1).max(128)),
  /** Below this many tokens no end-of-sequence token and no stop token id is drawn. */
  min_tokens: optional(count),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  /** 0 and -1 are off, as in vLLM. */
  top_k: optional(z.int().min(-1)),
  min_p: optional(z.number().min(0).max(1)),
  seed: optional(z.int()),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  repetition_penalty: optional(z.number().gt(0)),
  /** By token id, as JSON has it: a string. */
  logit_bias: optional(z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100))),
  stop: optional(
    z.union([z.string().min(1), z.array(z.string().min(1)).max(16)], {
      error: "must be a non-empty string or a list of at most 16 of them",
    }),
  ),
  stop_token_ids: optional(z.array(count).max(64)),
  ignore_eos: optional(z.boolean()),
  stream: optional(z.boolean()),
  stream_options: optional(
    z.strictObject({
      include_usage: optional(z.boolean()),
      /** Usage so far in every chunk, as in vLLM. */
      continuous_usage_stats: optional(z.boolean()),
      include_obfuscation: optional(z.literal(false)),
    }),
  ),
  /** Token ids beside the text of each choice, as in vLLM. */
  return_token_ids: optional(z.boolean()),
  /** Taken and not used: they name the caller, not the work. */
  user: z.unknown().optional(),
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
  request_id: z.unknown().optional(),
  ...refusedFields,
};

const streamOptionsNeedStream = (
  request: { stream?: boolean | undefined; stream_options?: object | undefined },
  context: z.RefinementCtx,
) => {
  if (request.stream_options !== undefined && request.stream !== true) {
    const message = "is only allowed when stream is true";
    context.addIssue({ code: "custom", path: ["stream_options"], message });
  }
};

const tokenIdsSchema = z.array(count).min(1);

/** One prompt or several, always parsed to a list. */
const promptsSchema = z.union(
  [
    z.string().transform((text) => [text]),
    tokenIdsSchema.transform((tokenIds) => [tokenIds]),
    z.array(z.string()).min(1),
    z.array(tokenIdsSchema).min(1),
  ],
  { error: "must be a text, a list of token ids, or a non-empty list of either" },
);

/** POST /v1/completions. */
export const completionRequestSchema = z
  .strictObject({
    ...samplingFields,
    ...refusedCompletionFields,
    /** Texts, or token ids for exact lengths. */
    prompt: promptsSchema,
    /** 0 with echo: the prompt alone, for its logprobs. */
    max_tokens: optional(count),
    /** Puts the prompt before the answer, with its logprobs where they are asked for. */
    echo: optional(z.boolean()),
    logprobs: optional(z.union([topCount, z.literal(false).transform(() => undefined)])),
    prompt_logprobs: optional(topCount),
    /** Whether the tokenizer's own prefix (BOS) goes before a text prompt; default true. */
    add_special_tokens: optional(z.boolean()),
  })
  .superRefine(streamOptionsNeedStream)
  .superRefine((request, context) => {
    if (request.max_tokens !== 0 || request.echo === true) return;
    const message = "must be at least 1, or 0 with echo";
    context.addIssue({ code: "custom", path: ["max_tokens"], message });
  });

const contentSchema = z.union(
  [
    z.string(),
    z
      .array(z.strictObject({ type: z.literal("text"), text: z.string() }))
      .transform((parts) => parts.map(({ text }) => text).join("")),
  ],
  { error: "must be text, or a list of parts of type text: this server reads nothing else" },
);

const messageSchema = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: contentSchema,
  name: optional(z.string()),
});

/** POST /v1/chat/completions. */
export const chatRequestSchema = z
  .strictObject({
    ...samplingFields,
    ...refusedChatFields,
    messages: z.array(messageSchema).min(1),
    max_tokens: optional(z.int().min(1)),
    /** Takes precedence over max_tokens, its old name. */
    max_completion_tokens: optional(z.int().min(1)),
    logprobs: optional(z.boolean()),
    top_logprobs: optional(topCount),
  })
  .superRefine(streamOptionsNeedStream)
  .superRefine((request, context) => {
    if (!request.top_logprobs || request.logprobs === true) return;
    const message = "is only allowed when logprobs is true";
    context.addIssue({ code: "custom", path: ["top_logprobs"], message });
  });

/** POST /tokenize: a text or a conversation, as vLLM takes it. */
export const tokenizeRequestSchema = z.union([
  z.strictObject({
    model: optional(z.string()),
    prompt: z.string(),
    add_special_tokens: optional(z.boolean()),
    return_token_strs: optional(z.boolean()),
  }),
  z.strictObject({
    model: optional(z.string()),
    messages: z.array(messageSchema).min(1),
    add_generation_prompt: optional(z.literal(true)),
    return_token_strs: optional(z.boolean()),
  }),
]);

/** POST /detokenize. */
export const detokenizeRequestSchema = z.strictObject({
  model: optional(z.string()),
  tokens: z.array(count),
});

export type CompletionRequest = z.output<typeof completionRequestSchema>;
export type ChatRequest = z.output<typeof chatRequestSchema>;
export type ChatMessage = z.output<typeof messageSchema>;

/**
 * Parses a request body.
 * @throws request-invalid, whose cause is the ZodError, with the first thing that is wrong
 */
export function parseRequest<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  const message = issue?.message ?? "the request does not parse";
  throw new QuantlabError("request-invalid", field === "" ? message : `${field}: ${message}`, {
    cause: parsed.error,
  });
}
