/** HTTP client of any OpenAI-compatible server: streamed completions with timestamps; the only importer of undici. */
import { type Dispatcher, Pool, request } from "undici";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import {
  decodeCompletionStream,
  excerpt,
  type StreamError,
  type TimedBytes,
} from "./completion-stream.ts";

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
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number } | undefined;
  readonly finishReason: string | undefined;
  readonly text: string;
  readonly error: StreamError | undefined;
}

/**
 * A saturated server may hold a request in its queue for minutes before the first byte: the limit
 * is there to end a cell whose server hangs, not to bound a latency.
 */
const defaultStallTimeoutMs = 600_000;
/** Idle sockets are dropped before common servers drop them (uvicorn: 5 s), or a send could race. */
const keepAliveMs = 4_000;

/** A server that is too busy for /health gets its sockets opened by the requests themselves. */
const preconnectTimeoutMs = 5_000;

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

/** A keep-alive pool to one server. */
export class OpenAiClient {
  readonly #options: ClientOptions;
  readonly #url: URL;
  readonly #pool: Pool;
  #abortReason: string | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = endpointUrl(options.baseUrl, "/v1/completions");
    this.#pool = new Pool(this.#url.origin, {
      connections: options.connections ?? null,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
    });
  }

  /**
   * Opens `count` sockets by asking for /health on all of them at once, so that a burst does not
   * wait for TCP. Failures are left for the requests themselves to meet.
   */
  async preconnect(count: number): Promise<void> {
    const ask = () =>
      this.#pool
        .request({
          path: endpointUrl(this.#options.baseUrl, "/health").pathname,
          method: "GET",
          headersTimeout: preconnectTimeoutMs,
          bodyTimeout: preconnectTimeoutMs,
        })
        .then((response) => response.body.dump());
    await Promise.allSettled(Array.from({ length: count }, ask));
  }

  /** Never rejects: a failure is an outcome with an error. */
  async streamCompletion(body: Buffer): Promise<StreamOutcome> {
    const received = await this.#receive(body);
    const { pieces, status, transportError, ...times } = received;
    if (status !== undefined && status !== 200) {
      return { ...failure(times, httpError(status, pieces)) };
    }
    const decoded = await decodeCompletionStream(pieces);
    const error = this.#classify(transportError, pieces.length) ?? decoded.error;
    return { ...times, ...decoded, error };
  }

  /** Ends every request in flight; they come back with the error "aborted". */
  async abort(reason: string): Promise<void> {
    this.#abortReason = reason;
    await this.#pool.destroy(new Error(reason));
  }

  /** Closes idle sockets; call it when every request is done. */
  async close(): Promise<void> {
    if (this.#abortReason === undefined) await this.#pool.close();
  }

  /** The hot path: stamps and keeps bytes, and understands nothing of them. */
  #receive(body: Buffer): Promise<Received> {
    const { clock } = this.#options;
    const timeoutMs = this.#options.stallTimeoutMs ?? defaultStallTimeoutMs;
    const pieces: TimedBytes[] = [];
    let status: number | undefined;
    let firstByteMs: number | undefined;
    return new Promise((resolve) => {
      const sentMs = clock.nowMs();
      const end = (transportError: Error | undefined) =>
        resolve({ sentMs, firstByteMs, doneMs: clock.nowMs(), status, pieces, transportError });
      const handler: Dispatcher.DispatchHandler = {
        // undici takes an object with this method for its current handler interface.
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          firstByteMs = clock.nowMs();
          status = statusCode;
        },
        onResponseData(_controller, bytes) {
          pieces.push({ atMs: clock.nowMs(), bytes });
        },
        onResponseEnd: () => end(undefined),
        onResponseError: (_controller, error) => end(error),
      };
      try {
        this.#pool.dispatch(
          {
            path: this.#url.pathname,
            method: "POST",
            headers: { "content-type": "application/json", ...bearer(this.#options.apiKey) },
            body,
            headersTimeout: timeoutMs,
            bodyTimeout: timeoutMs,
          },
          handler,
        );
      } catch (error) {
        // The pool was destroyed by abort(): undici throws instead of calling the handler.
        end(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #classify(error: Error | undefined, pieces: number): StreamError | undefined {
    if (error === undefined) return undefined;
    if (this.#abortReason !== undefined) return { code: "aborted", message: this.#abortReason };
    const seconds = (this.#options.stallTimeoutMs ?? defaultStallTimeoutMs) / 1e3;
    return classifyTransportError(error, pieces, seconds);
  }
}

type Times = Pick<StreamOutcome, "sentMs" | "firstByteMs" | "doneMs">;

interface Received extends Times {
  readonly status: number | undefined;
  readonly pieces: readonly TimedBytes[];
  readonly transportError: Error | undefined;
}

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

const errorCodes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-reset",
  EPIPE: "connection-reset",
  UND_ERR_SOCKET: "connection-reset",
  UND_ERR_CONNECT_TIMEOUT: "connect-timeout",
  UND_ERR_HEADERS_TIMEOUT: "stall",
  UND_ERR_BODY_TIMEOUT: "stall",
  ENOTFOUND: "host-unknown",
  EAI_AGAIN: "host-unknown",
};

function classifyTransportError(error: Error, pieces: number, stallSeconds: number): StreamError {
  const systemCode = "code" in error && typeof error.code === "string" ? error.code : "";
  const code = errorCodes[systemCode] ?? "transport";
  const after = pieces === 0 ? "before any output" : `after ${pieces} chunks`;
  const messages: Readonly<Record<string, string>> = {
    "connection-refused": "nothing listens at the server's address (connection refused)",
    "connection-reset": `the server closed the connection ${after}`,
    stall: `the server sent nothing for ${stallSeconds} s ${after}`,
  };
  return { code, message: messages[code] ?? `${error.message || systemCode} ${after}` };
}

const errorBodySchema = z.object({
  error: z.union([z.string(), z.looseObject({ message: z.string() })]),
});

/** The server's own words where it sends OpenAI's error object, else the start of its body. */
function httpError(status: number, pieces: readonly TimedBytes[]): StreamError {
  const body = Buffer.concat(pieces.map((piece) => piece.bytes)).toString("utf8");
  return { code: `http-${status}`, message: `HTTP ${status}: ${errorMessageOf(body)}` };
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
  const body = await getText(url, options);
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new QuantlabError(
      "target-failed",
      `${url} answered ${excerpt(body)}, which is not JSON`,
      {
        cause,
      },
    );
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

async function getText(url: URL, options: GetOptions): Promise<string> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  try {
    const response = await request(url, {
      headers: bearer(options.apiKey),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: options.signal ?? null,
    });
    const body = await response.body.text();
    if (response.statusCode === 200) return body;
    throw new QuantlabError(
      "target-failed",
      `${url} answered HTTP ${response.statusCode}: ${errorMessageOf(body)}`,
    );
  } catch (error) {
    if (error instanceof QuantlabError) throw error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const why = classifyTransportError(cause, 0, timeoutMs / 1e3).message;
    throw new QuantlabError("target-failed", `GET ${url}: ${why}`, { cause });
  }
}
