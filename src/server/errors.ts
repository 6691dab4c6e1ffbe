/** Any error to its HTTP status and OpenAI error object: the one place that knows both. */
import { ZodError } from "zod";
import { type ErrorCode, QuantlabError } from "../base/errors.ts";
import type { ErrorBody } from "../openai/schemas.ts";

export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
}

interface Meaning {
  readonly status: number;
  readonly type: string;
  readonly code: string;
}

/** Types and codes are OpenAI's where it has one for the case. */
const meanings: Partial<Record<ErrorCode, Meaning>> = {
  "request-invalid": { status: 400, type: "invalid_request_error", code: "invalid_request" },
  "request-too-long": {
    status: 400,
    type: "invalid_request_error",
    code: "context_length_exceeded",
  },
  "model-not-served": { status: 404, type: "invalid_request_error", code: "model_not_found" },
  "key-refused": { status: 401, type: "invalid_request_error", code: "invalid_api_key" },
  "server-busy": { status: 429, type: "rate_limit_error", code: "server_busy" },
  "engine-stopped": { status: 503, type: "server_error", code: "engine_stopped" },
};

/** A bug tells the client nothing of its inside; the log has the stack. */
const bug: Meaning & { message: string } = {
  status: 500,
  type: "server_error",
  code: "internal_error",
  message: "the server failed; its log says why",
};

export function toErrorAnswer(error: unknown): ErrorAnswer {
  const meaning = error instanceof QuantlabError ? meanings[error.code] : undefined;
  if (error instanceof QuantlabError && meaning !== undefined) {
    const message = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
    return answer(meaning, message, paramOf(error));
  }
  const status = httpStatusOf(error);
  if (status !== undefined && status < 500 && error instanceof Error) {
    const type = "invalid_request_error";
    return answer({ status, type, code: "invalid_request" }, error.message, null);
  }
  return answer(bug, bug.message, null);
}

function answer({ status, type, code }: Meaning, message: string, param: string | null) {
  return { status, body: { error: { message, type, param, code } } };
}

/** The field that a schema refused. */
function paramOf(error: QuantlabError): string | null {
  if (!(error.cause instanceof ZodError)) return null;
  const path = error.cause.issues[0]?.path ?? [];
  return path.length === 0 ? null : path.join(".");
}

/** Fastify's own refusals (body too large, not JSON, wrong content type) carry their status. */
function httpStatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}
