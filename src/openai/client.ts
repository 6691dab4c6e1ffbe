/** HTTP client of any OpenAI-compatible server: streamed completions with timestamps, and questions about the server. */
import { request } from "undici";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import {
  decodeCompletionStream,
  excerpt,
  type StreamError,
  type StreamUsage,
} from "./completion-stream.ts";
import { StreamPool } from "./stream-pool.ts";
import type { Endpoint } from "./stream-socket.ts";
import type { TimedBody } from "./timed-body.ts";
import { classifyTransportError } from "./transport-error.ts";

export interface ClientOptions {
  /** With or without a trailing "/v1". */
  readonly baseUrl: string;
  /** Sockets at most; undefined opens one for each request in flight. */
  readonly connections?: number | undefined;
  readonly apiKey?: string | undefined;
  readonly clock: Clock;
  /** Silence after which a request counts as stalled, before the headers and between chunks. */
  readonly stallTimeoutMs?: number | undefined;
}

/** What to complete. Prompts as token ids have exact lengths on any server. */
export interface CompletionRequest {
  readonly model: string;
  readonly prompt: string | readonly number[];
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
}

/** One answer, failed or not; times are of the client's clock. */
export interface StreamOutcome {
  readonly sentMs: number;
  readonly firstByteMs: number | undefined;
  readonly eventTimesMs: readonly number[];
  readonly eventTokens: readonly number[] | undefined;
  readonly doneMs: number;
  readonly usage: StreamUsage | undefined;
  readonly finishReason: string | undefined;
  readonly text: string;
  readonly error: StreamError | undefined;
}

/** An answer whose bytes are all here, or will never be. */
export interface Transfer {
  readonly transportError: StreamError | undefined;
  /** Call it once. */
  decode(): Promise<StreamOutcome>;
}

/**
 * A saturated server may hold a request in its queue for minutes before the first byte: the limit
 * is there to end a cell whose server hangs, not to bound a latency.
 */
const defaultStallTimeoutMs = 600_000;
/** A body ready for the socket, so that no JSON is made at the time of sending. */
export function encodeCompletionRequest(completion: CompletionRequest): Buffer {
  return Buffer.from(
    JSON.stringify({
      model: completion.model,
      prompt: completion.prompt,
      max_tokens: completion.maxTokens,
      // Greedy on every server: the default would differ between them.
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
      // Not an OpenAI field: sent only when wanted, since strict servers refuse unknown ones.
      ...(completion.ignoreEos ? { ignore_eos: true } : {}),
    }),
  );
}

/** Sends streamed completions to one server. */
export class OpenAiClient {
  readonly #options: ClientOptions;
  readonly #url: URL;
  readonly #head: string;
  readonly #pool: StreamPool;
  #abortReason: string | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = endpointUrl(options.baseUrl, "/v1/completions");
    this.#head = requestHead("POST", this.#url, options.apiKey);
    this.#pool = new StreamPool({
      endpoint: endpointOf(this.#url),
      clock: options.clock,
      connections: options.connections ?? Number.POSITIVE_INFINITY,
      stallTimeoutMs: options.stallTimeoutMs ?? defaultStallTimeoutMs,
    });
  }

  /**
   * Opens `count` sockets by asking for /health on each, so that a burst does not wait for TCP.
   * Failures are left for the requests themselves to meet.
   */
  async preconnect(count: number): Promise<void> {
    const url = endpointUrl(this.#options.baseUrl, "/health");
    const bytes = Buffer.from(`${requestHead("GET", url, this.#options.apiKey)}\r\n`);
    await this.#pool.warmUp(count, bytes);
  }

  /** Head and body ready for the socket: nothing is left to be made at the time of sending. */
  prepare(body: Buffer): Buffer {
    const rest = `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(this.#head + rest), body]);
  }

  /** @param prepared by `prepare`. Never rejects: a failure is an outcome with an error. */
  async streamCompletion(prepared: Buffer): Promise<StreamOutcome> {
    return (await this.transfer(prepared)).decode();
  }

  /**
   * Settles when the answer's last byte has come: its place may be given to the next request before
   * the answer is decoded. @param prepared by `prepare`. Never rejects.
   */
  async transfer(prepared: Buffer): Promise<Transfer> {
    const { reader, sentMs, doneMs, error } = await this.#pool.send(prepared);
    const { status, firstByteMs, body } = reader;
    const times = { sentMs, firstByteMs, doneMs };
    const transportError = this.#classify(error, body.parts);
    return {
      transportError,
      decode: async () => {
        if (status !== undefined && status !== 200) return failure(times, httpError(status, body));
        const decoded = await decodeCompletionStream(body);
        return { ...times, ...decoded, error: transportError ?? decoded.error };
      },
    };
  }

  /** Ends every request in flight; they come back with the error "aborted". */
  abort(reason: string): void {
    this.#abortReason = reason;
    this.#pool.destroy(new Error(reason));
  }

  /** Closes idle sockets; call it when every request is done. */
  close(): void {
    this.#pool.close();
  }

  #classify(error: Error | undefined, parts: number): StreamError | undefined {
    if (error === undefined) return undefined;
    if (this.#abortReason !== undefined) return { code: "aborted", message: this.#abortReason };
    const seconds = (this.#options.stallTimeoutMs ?? defaultStallTimeoutMs) / 1e3;
    return classifyTransportError(error, parts, seconds);
  }
}

function endpointOf(url: URL): Endpoint {
  const isTls = url.protocol === "https:";
  // An IPv6 address stands in brackets in a URL and without them everywhere else.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(url.port || (isTls ? 443 : 80)), isTls };
}

/** Without the empty line that ends it. */
function requestHead(method: string, url: URL, apiKey: string | undefined): string {
  const key = apiKey === undefined ? "" : `authorization: Bearer ${apiKey}\r\n`;
  return `${method} ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\naccept: text/event-stream, application/json\r\n${key}`;
}

type Times = Pick<StreamOutcome, "sentMs" | "firstByteMs" | "doneMs">;

function failure(times: Times, error: StreamError): StreamOutcome {
  return {
    ...times,
    eventTimesMs: [],
    eventTokens: undefined,
    usage: undefined,
    finishReason: undefined,
    text: "",
    error,
  };
}

const errorBodySchema = z.object({
  error: z.union([z.string(), z.looseObject({ message: z.string() })]),
});

/** The server's own words where it sends OpenAI's error object, else the start of its body. */
function httpError(status: number, body: TimedBody): StreamError {
  const message = errorMessageOf(body.bytes.toString("utf8"));
  return { code: `http-${status}`, message: `HTTP ${status}: ${message}` };
}

function errorMessageOf(body: string): string {
  try {
    const { error } = errorBodySchema.parse(JSON.parse(body));
    return typeof error === "string" ? error : error.message;
  } catch {
    return body === "" ? "no message" : excerpt(body);
  }
}

function bearer(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

/** "http://host:1/v1" and "http://host:1/" both give "http://host:1/v1/completions". */
export function endpointUrl(baseUrl: string, path: string): URL {
  if (!URL.canParse(baseUrl) || !/^https?:/i.test(baseUrl)) {
    throw new QuantlabError("usage", `"${baseUrl}" is not an http(s) address`, {
      hint: "give --base-url as http://127.0.0.1:8000",
    });
  }
  return new URL(baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "") + path);
}

export interface GetOptions {
  readonly apiKey?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * GET as parsed JSON, for the caller to validate.
 * @throws target-failed when there is no answer, another status than 200, or a body that is not JSON
 */
export async function getJson(
  baseUrl: string,
  path: string,
  options: GetOptions = {},
): Promise<unknown> {
  const url = endpointUrl(baseUrl, path);
  return parseJson(url, await getText(url, options));
}

/** GET as text, whatever it holds. @throws target-failed as getJson */
export function readPage(baseUrl: string, path: string, options: GetOptions = {}): Promise<string> {
  return getText(endpointUrl(baseUrl, path), options);
}

/**
 * POST of a JSON body; the answer as parsed JSON.
 * @throws target-failed as getJson
 */
export async function postJson(
  baseUrl: string,
  path: string,
  body: unknown,
  options: GetOptions = {},
): Promise<unknown> {
  const url = endpointUrl(baseUrl, path);
  return parseJson(url, await getText(url, options, JSON.stringify(body)));
}

function parseJson(url: URL, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    const message = `${url} answered ${excerpt(body)}, which is not JSON`;
    throw new QuantlabError("target-failed", message, { cause });
  }
}

const modelListSchema = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })) });

/** Ids at GET /v1/models. @throws target-failed as getJson, or when the answer is not a model list */
export async function listModels(baseUrl: string, options: GetOptions = {}): Promise<string[]> {
  const answer = modelListSchema.safeParse(await getJson(baseUrl, "/v1/models", options));
  if (answer.success) return answer.data.data.map((model) => model.id);
  throw new QuantlabError("target-failed", `${baseUrl}/v1/models is not an OpenAI model list`, {
    hint: "check that --base-url is the address of an OpenAI-compatible server",
    cause: answer.error,
  });
}

/** Between two questions; a server takes seconds to minutes to load. */
const readyPollMs = 200;

/**
 * Asks for the model list until the server gives it, and returns the ids.
 * @throws target-failed with the last reason once `timeoutMs` has passed, or on abort
 */
export async function waitUntilReady(
  baseUrl: string,
  options: GetOptions & { readonly clock: Clock; readonly timeoutMs: number },
): Promise<string[]> {
  const { clock, signal } = options;
  const deadlineMs = clock.nowMs() + options.timeoutMs;
  for (;;) {
    try {
      return await listModels(baseUrl, options);
    } catch (error) {
      // A wrong address or key does not heal by waiting.
      const isFinal = error instanceof QuantlabError && error.code !== "target-failed";
      if (isFinal || signal?.aborted || clock.nowMs() >= deadlineMs) throw error;
      await clock.sleepUntil(Math.min(deadlineMs, clock.nowMs() + readyPollMs), signal);
    }
  }
}

/** The body of a 200; POST where there is a body to send. */
async function getText(url: URL, options: GetOptions, body?: string): Promise<string> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  try {
    const response = await request(url, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...bearer(options.apiKey),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: options.signal ?? null,
    });
    const text = await response.body.text();
    if (response.statusCode === 200) return text;
    throw new QuantlabError(
      "target-failed",
      `${url} answered HTTP ${response.statusCode}: ${errorMessageOf(text)}`,
    );
  } catch (error) {
    if (error instanceof QuantlabError) throw error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const { code, message } = classifyTransportError(cause, 0, timeoutMs / 1e3);
    throw new QuantlabError(
      // Whom to trust is a setting of ours: asking again would not help.
      code === "certificate" ? "usage" : "target-failed",
      `${body === undefined ? "GET" : "POST"} ${url}: ${message}`,
      { cause },
    );
  }
}
