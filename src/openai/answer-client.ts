/** Whole answers of an OpenAI-compatible server, not streamed and with retries: for evaluations, where text matters and time does not. */
import { Pool } from "undici";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { endpointUrl } from "./client.ts";
import { excerpt } from "./completion-stream.ts";

export interface AnswerClientOptions {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** Requests in flight at most. */
  readonly connections: number;
  readonly clock: Clock;
  /** Of one attempt, from sending to the last byte. */
  readonly timeoutMs?: number | undefined;
  /** After the first attempt. */
  readonly retries?: number | undefined;
}

export type AnswerPath = "/v1/completions" | "/v1/chat/completions";

export interface Answer {
  /** "" where the server sent null. */
  readonly text: string;
  readonly finishReason: string | undefined;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
}

/** Lax on purpose: servers differ in what they leave out. */
const answerSchema = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        text: z.string().nullish(),
        message: z.looseObject({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z
    .looseObject({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() })
    .nullish(),
});

/** A queue of a saturated server may be long. */
const defaultTimeoutMs = 600_000;
const defaultRetries = 3;
/** Before the first retry; doubled before each further one. */
const firstPauseMs = 500;

/** One failed attempt. */
interface Failure {
  readonly message: string;
  /** Whether the same request may yet succeed. */
  readonly mayHeal: boolean;
}

/** A keep-alive pool to one server. */
export class AnswerClient {
  readonly #options: AnswerClientOptions;
  readonly #pool: Pool;

  /** @throws usage when baseUrl is not an http(s) address */
  constructor(options: AnswerClientOptions) {
    this.#options = options;
    this.#pool = new Pool(endpointUrl(options.baseUrl, "/").origin, {
      connections: options.connections,
      pipelining: 1,
    });
  }

  /**
   * The first choice of the answer.
   * @throws request-failed with the server's words once retries are used up, or at once where the
   *   server refuses the request; interrupted on abort
   */
  async ask(
    path: AnswerPath,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { clock, retries = defaultRetries } = this.#options;
    const encoded = JSON.stringify(body);
    for (let attempt = 0; ; attempt++) {
      const result = await this.#attempt(path, encoded, signal);
      if (signal.aborted) throw new QuantlabError("interrupted", "interrupted while asking");
      if ("text" in result) return result;
      if (!result.mayHeal || attempt >= retries) {
        const times = attempt === 0 ? "" : ` (asked ${attempt + 1} times)`;
        throw new QuantlabError("request-failed", `${result.message}${times}`);
      }
      await clock.sleepUntil(clock.nowMs() + firstPauseMs * 2 ** attempt, signal);
    }
  }

  async #attempt(path: AnswerPath, body: string, signal: AbortSignal): Promise<Answer | Failure> {
    const { apiKey, baseUrl, timeoutMs = defaultTimeoutMs } = this.#options;
    try {
      const response = await this.#pool.request({
        path: endpointUrl(baseUrl, path).pathname,
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        signal,
      });
      const text = await response.body.text();
      return response.statusCode === 200 ? parseAnswer(text) : refusal(response.statusCode, text);
    } catch (error) {
      const reason = error instanceof Error ? error.message || error.name : String(error);
      return { message: `the server did not answer: ${reason}`, mayHeal: true };
    }
  }

  /** Ends what is in flight and closes. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

function parseAnswer(body: string): Answer | Failure {
  const parsed = answerSchema.safeParse(parseJson(body));
  const choice = parsed.data?.choices[0];
  if (choice === undefined) {
    return { message: `the server's answer is not a completion: ${excerpt(body)}`, mayHeal: false };
  }
  const { usage } = parsed.data ?? {};
  return {
    text: choice.text ?? choice.message?.content ?? "",
    finishReason: choice.finish_reason ?? undefined,
    promptTokens: usage?.prompt_tokens ?? undefined,
    completionTokens: usage?.completion_tokens ?? undefined,
  };
}

const errorSchema = z.looseObject({ error: z.looseObject({ message: z.string() }) });

/** 429 and 5xx may pass; other statuses are final. */
function refusal(status: number, body: string): Failure {
  const parsed = errorSchema.safeParse(parseJson(body));
  const words = parsed.success ? parsed.data.error.message : excerpt(body);
  return { message: `HTTP ${status}: ${words}`, mayHeal: status === 429 || status >= 500 };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
