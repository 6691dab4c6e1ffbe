/** A server that answers with a given TTFT and ITL, or with a given fault: to measure the load generator itself. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { type Clock, systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";

/** What goes wrong with one answer, after `afterTokens` tokens where that is given. */
export type MockFault =
  | { readonly kind: "http"; readonly status: number; readonly message: string }
  | { readonly kind: "stall"; readonly afterTokens: number }
  | { readonly kind: "reset"; readonly afterTokens: number }
  | { readonly kind: "cut"; readonly afterTokens: number }
  | { readonly kind: "error-event"; readonly afterTokens: number }
  | { readonly kind: "malformed"; readonly afterTokens: number }
  | { readonly kind: "short"; readonly afterTokens: number }
  | { readonly kind: "no-usage" }
  | { readonly kind: "no-output" };

export interface MockServerOptions {
  /** From the request's arrival to its first token. */
  readonly ttftMs: number;
  /** Between tokens; token i is due at arrival + ttftMs + i * itlMs, so lateness does not add up. */
  readonly itlMs: number;
  /** 0 picks a free one. */
  readonly port?: number | undefined;
  readonly tokensPerChunk?: number | undefined;
  /** Whether each chunk lists its token ids, as vLLM does on request. */
  readonly listTokenIds?: boolean | undefined;
  readonly model?: string | undefined;
  readonly clock?: Clock | undefined;
  /** The fault of the n-th completion request, counted from 0. */
  readonly faultOf?: ((request: number) => MockFault | undefined) | undefined;
}

export interface MockServer {
  readonly baseUrl: string;
  /** Completion requests so far, as their bodies. */
  readonly requests: readonly MockRequest[];
  /** The most completion requests that were being answered at once. */
  readonly peakConcurrency: () => number;
  /** Drops every connection and closes; idempotent. */
  close(): Promise<void>;
}

const requestSchema = z.looseObject({
  model: z.string(),
  prompt: z.union([z.string(), z.array(z.number())]).optional(),
  messages: z.array(z.looseObject({ content: z.string() })).optional(),
  max_tokens: z.number().int().positive().optional(),
  max_completion_tokens: z.number().int().positive().optional(),
  stream: z.literal(true, { error: "the mock server only streams: send stream: true" }),
  stream_options: z.looseObject({ include_usage: z.boolean() }).optional(),
});
export type MockRequest = z.infer<typeof requestSchema>;

/** Starts listening on 127.0.0.1. @throws target-failed when the port is taken */
export async function startMockServer(options: MockServerOptions): Promise<MockServer> {
  const mock = new Mock(options);
  const server = createServer((request, response) => void mock.handle(request, response));
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    requests: mock.requests,
    peakConcurrency: () => mock.peakConcurrency,
    close: () =>
      new Promise((resolve) => {
        mock.stop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new QuantlabError("target-failed", `cannot listen on 127.0.0.1:${port}: ${cause.message}`, {
          hint: "choose another --port, or 0 for any free one",
          cause,
        }),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
}

class Mock {
  readonly requests: MockRequest[] = [];
  peakConcurrency = 0;
  #open = 0;
  readonly #options: MockServerOptions;
  readonly #clock: Clock;
  readonly #stopped = new AbortController();

  constructor(options: MockServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrivedMs = this.#clock.nowMs();
    const path = request.url?.split("?")[0];
    if (request.method === "GET" && path === "/health") {
      response.end();
    } else if (request.method === "GET" && path === "/v1/models") {
      const id = this.#options.model ?? "mock";
      sendJson(response, 200, { object: "list", data: [{ id, object: "model" }] });
    } else if (path === "/v1/completions" || path === "/v1/chat/completions") {
      await this.#complete(request, response, arrivedMs, path.includes("chat"));
    } else {
      sendError(response, 404, `no route ${request.method} ${path}`);
    }
  }

  async #complete(
    request: IncomingMessage,
    response: ServerResponse,
    arrivedMs: number,
    chat: boolean,
  ): Promise<void> {
    this.#open++;
    this.peakConcurrency = Math.max(this.peakConcurrency, this.#open);
    await this.#answer(request, response, arrivedMs, chat);
    this.#open--;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    arrivedMs: number,
    chat: boolean,
  ): Promise<void> {
    const parsed = requestSchema.safeParse(await readJson(request));
    if (!parsed.success) {
      sendError(response, 400, z.prettifyError(parsed.error));
      return;
    }
    const fault = this.#options.faultOf?.(this.requests.length);
    this.requests.push(parsed.data);
    if (fault?.kind === "http") sendError(response, fault.status, fault.message);
    else await this.#stream(new Answer(response, parsed.data, chat), arrivedMs, fault);
  }

  async #stream(answer: Answer, arrivedMs: number, fault: MockFault | undefined): Promise<void> {
    const { ttftMs, itlMs, tokensPerChunk = 1, listTokenIds = false } = this.#options;
    answer.open();
    const total = fault?.kind === "no-output" ? 0 : answer.maxTokens;
    let sent = 0;
    while (sent < total) {
      if (fault !== undefined && "afterTokens" in fault && sent >= fault.afterTokens) {
        if (fault.kind !== "short") return answer.fail(fault.kind);
        break;
      }
      const count = Math.min(tokensPerChunk, total - sent);
      // A chunk leaves when its last token is due.
      const dueMs = arrivedMs + ttftMs + (sent + count - 1) * itlMs;
      await this.#clock.sleepUntil(dueMs, this.#stopped.signal);
      if (answer.isClosed) return;
      await answer.sendTokens(sent, count, listTokenIds);
      sent += count;
    }
    answer.end(sent, fault?.kind !== "no-usage");
  }
}

/** One streamed answer on the wire. */
class Answer {
  readonly maxTokens: number;
  readonly #response: ServerResponse;
  readonly #request: MockRequest;
  readonly #chat: boolean;

  constructor(response: ServerResponse, request: MockRequest, chat: boolean) {
    this.#response = response;
    this.#request = request;
    this.#chat = chat;
    this.maxTokens = request.max_completion_tokens ?? request.max_tokens ?? 16;
  }

  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  open(): void {
    this.#response.socket?.setNoDelay(true);
    this.#response.writeHead(200, { "content-type": "text/event-stream" });
    this.#response.flushHeaders();
  }

  async sendTokens(first: number, count: number, listIds: boolean): Promise<void> {
    const ids = Array.from({ length: count }, (_, i) => first + i);
    const text = ids.map((id) => ` t${id}`).join("");
    const last = first + count === this.maxTokens;
    const choice = {
      index: 0,
      finish_reason: last ? "length" : null,
      ...(this.#chat ? { delta: { content: text } } : { text }),
      ...(listIds ? { token_ids: ids } : {}),
    };
    if (!this.#write({ choices: [choice] })) {
      await new Promise<void>((resolve) => {
        this.#response.once("drain", resolve);
        this.#response.once("close", resolve);
      });
    }
  }

  /** Ends as the fault wants it. */
  fail(kind: "stall" | "reset" | "cut" | "error-event" | "malformed"): void {
    if (kind === "reset") {
      // Destroyed only once the tokens before it have left, so that they are seen.
      this.#response.write(": \n\n", () => this.#response.destroy());
    } else if (kind === "cut") {
      this.#response.end();
    } else if (kind === "error-event") {
      this.#write({ error: { message: "the engine is gone", type: "server_error" } });
      this.#response.end();
    } else if (kind === "malformed") {
      this.#response.end('data: {"choices": [{"text"\n\n');
    }
  }

  end(tokens: number, withUsage: boolean): void {
    if (withUsage && this.#request.stream_options?.include_usage) {
      const prompt = promptTokensOf(this.#request);
      const usage = {
        prompt_tokens: prompt,
        completion_tokens: tokens,
        total_tokens: prompt + tokens,
      };
      this.#write({ choices: [], usage });
    }
    this.#response.end("data: [DONE]\n\n");
  }

  #write(event: Record<string, unknown>): boolean {
    const object = this.#chat ? "chat.completion.chunk" : "text_completion";
    const body = { id: "mock-0", object, created: 0, model: this.#request.model, ...event };
    return this.#response.write(`data: ${JSON.stringify(body)}\n\n`);
  }
}

/** Token ids are counted; four characters of text count as a token. */
function promptTokensOf(request: MockRequest): number {
  const prompt = request.prompt ?? request.messages?.map((m) => m.content).join("\n") ?? "";
  return typeof prompt === "string" ? Math.ceil(prompt.length / 4) : prompt.length;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece);
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    return undefined;
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { error: { message, type: "invalid_request_error", code: status } });
}
