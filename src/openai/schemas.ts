/** The OpenAI wire: what this server's endpoints take and give, shared by server and clients. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { refusedChatFields, refusedFields } from "./refused-fields.ts";

/** Clients send null where they mean "left out". */
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);

const count = z.int().min(0);

const samplingFields = {
  /** Must be the served name when given. */
  model: optional(z.string()),
  max_tokens: optional(z.int().min(1)),
  /** Below this many tokens no end-of-sequence token and no stop token id ends the text. */
  min_tokens: optional(count),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  /** 0 and -1 are off, as in vLLM. */
  top_k: optional(z.int().min(-1)),
  seed: optional(z.int()),
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
  /** Taken and not used: they name the caller, not the work. */
  user: z.unknown().optional(),
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
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

const promptSchema = z.union(
  [
    z.string(),
    z.array(count).min(1),
    z.tuple([z.string()]).transform(([text]) => text),
    z.tuple([z.array(count).min(1)]).transform(([tokenIds]) => tokenIds),
  ],
  {
    error:
      "must be one text or one list of token ids; send several prompts as several requests, which are batched all the same",
  },
);

/** POST /v1/completions. */
export const completionRequestSchema = z
  .strictObject({
    ...samplingFields,
    /** Text, or token ids for an exact length. */
    prompt: promptSchema,
    /** Whether the tokenizer's own prefix (BOS) goes before a text prompt; default true. */
    add_special_tokens: optional(z.boolean()),
  })
  .superRefine(streamOptionsNeedStream);

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
    /** Takes precedence over max_tokens, its old name. */
    max_completion_tokens: optional(z.int().min(1)),
  })
  .superRefine(streamOptionsNeedStream);

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

export const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number(),
});
export type Usage = z.output<typeof usageSchema>;

const finishReasonSchema = z.string().nullable();

const textChoiceSchema = z.object({
  index: z.number(),
  text: z.string(),
  logprobs: z.null().optional(),
  finish_reason: finishReasonSchema,
});

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
      logprobs: z.null().optional(),
      finish_reason: finishReasonSchema,
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
      logprobs: z.null().optional(),
      finish_reason: finishReasonSchema,
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
