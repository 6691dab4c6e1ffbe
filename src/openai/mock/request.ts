/** What a mock server reads of a completion request. */
import { z } from "zod";

export const requestSchema = z.looseObject({
  model: z.string(),
  prompt: z.union([z.string(), z.array(z.number())]).optional(),
  messages: z
    .array(
      z.looseObject({
        content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]),
      }),
    )
    .optional(),
  max_tokens: z.number().int().positive().nullish(),
  max_completion_tokens: z.number().int().positive().nullish(),
  stream: z.literal(true, { error: "the mock server only streams: send stream: true" }),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
});
export type MockRequest = z.infer<typeof requestSchema>;

/**
 * Whether the value is what our load generator sends, which the schema would accept: asked first,
 * because a burst of a thousand requests must not wait for the schema.
 */
export function isPlainRequest(value: unknown): value is MockRequest {
  if (typeof value !== "object" || value === null || "messages" in value) return false;
  if ("max_completion_tokens" in value || !("stream" in value) || value.stream !== true) {
    return false;
  }
  if (!("model" in value) || typeof value.model !== "string") return false;
  if (!("max_tokens" in value) || !Number.isSafeInteger(value.max_tokens)) return false;
  if (!(Number(value.max_tokens) > 0) || !("prompt" in value)) return false;
  const { prompt } = value;
  const isIds = Array.isArray(prompt) && prompt.every((id) => typeof id === "number");
  return (isIds || typeof prompt === "string") && hasPlainOptions(value);
}

function hasPlainOptions(value: object): boolean {
  const options: unknown = "stream_options" in value ? value.stream_options : undefined;
  if (typeof options !== "object" || options === null || !("include_usage" in options))
    return false;
  return typeof options.include_usage === "boolean";
}

/** Token ids are counted; four characters of text count as a token. */
export function promptTokensOf(request: MockRequest): number {
  if (Array.isArray(request.prompt)) return request.prompt.length;
  const messages = request.messages?.map(({ content }) =>
    typeof content === "string" ? content : content.map((part) => part.text ?? "").join(""),
  );
  return Math.ceil((request.prompt ?? messages?.join("\n") ?? "").length / 4);
}
