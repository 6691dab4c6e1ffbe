/** A server that answers with a given TTFT and ITL, or with a given fault: to measure the load generator itself. */
import { createServer, type Server, type Socket } from "node:net";
import { z } from "zod";
import { machineOffsetMs } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { Answer, type MockFault } from "./mock/answer.ts";
import { jsonAnswer, type MockHttpRequest, readRequests } from "./mock/connection.ts";
import { Ticker } from "./mock/due-queue.ts";
import { Frames } from "./mock/frames.ts";
import { isPlainRequest, type MockRequest, promptTokensOf, requestSchema } from "./mock/request.ts";
import { StatsRecorder } from "./mock/stats.ts";
import { WriteLog } from "./mock/write-log.ts";

export type { MockFault } from "./mock/answer.ts";
export type { MockRequest } from "./mock/request.ts";
export type { MockStats } from "./mock/stats.ts";

export interface MockServerOptions {
  /** From the request's arrival to its first token. */
  readonly ttftMs: number;
  /** Between tokens; token i is due at arrival + ttftMs + i * itlMs, so lateness does not add up. */
  readonly itlMs: number;
  /** Each event leaves up to so much later, at random; default 0. */
  readonly jitterMs?: number | undefined;
  /** 0 picks a free one. */
  readonly port?: number | undefined;
  readonly tokensPerChunk?: number | undefined;
  /** Events that leave in one write, when the last of them is due; default 1. */
  readonly chunksPerWrite?: number | undefined;
  /** Whether each chunk lists its token ids, as vLLM does on request. */
  readonly listTokenIds?: boolean | undefined;
  readonly model?: string | undefined;
  /** The fault of the n-th completion request, counted from 0. */
  readonly faultOf?: ((request: number) => MockFault | undefined) | undefined;
  /** Whether `requests` keeps what was asked; false for long measurements. Default true. */
  readonly keepRequests?: boolean | undefined;
}

export interface MockServer {
  readonly baseUrl: string;
  /** Completion requests so far, as their bodies. */
  readonly requests: readonly MockRequest[];
  /** The most completion requests that were being answered at once. */
  readonly peakConcurrency: () => number;
  /** Drops every connection and closes; idempotent. */
  readonly close: () => Promise<void>;
}

/** Starts listening on 127.0.0.1. @throws target-failed when the port is taken */
export async function startMockServer(options: MockServerOptions): Promise<MockServer> {
  const mock = new Mock(options);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    readRequests(socket, (request) => mock.handle(request, socket));
  });
  const port = await listen(server, options.port ?? 0);
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    requests: mock.requests,
    peakConcurrency: () => mock.peakConcurrency,
    close: () =>
      new Promise((resolve) => {
        mock.stop();
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** More than any burst of ours: the kernel may cap it lower (net.core.somaxconn). */
const backlog = 4096;

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new QuantlabError("target-failed", `cannot listen on 127.0.0.1:${port}: ${cause.message}`, {
          hint: "choose another --port, or 0 for any free one",
          cause,
        }),
      ),
    );
    server.listen({ port, host: "127.0.0.1", backlog }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Body of /mock/reset: of how many requests the times are kept. */
const resetSchema = z.object({ keepTimesOf: z.number().int().nonnegative().optional() });

class Mock {
  readonly requests: MockRequest[] = [];
  peakConcurrency = 0;
  #asked = 0;
  #open = 0;
  readonly #options: MockServerOptions;
  readonly #frames = new Map<string, Frames>();
  readonly #stats = new StatsRecorder();
  readonly #ticker = new Ticker<Answer>((answer, nowMs) => this.#step(answer, nowMs));
  readonly #offsetMs = machineOffsetMs();
  readonly #written = new WriteLog(this.#offsetMs);

  constructor(options: MockServerOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#ticker.stop();
  }

  handle(request: MockHttpRequest, socket: Socket): void {
    const { method, path } = request;
    if (method === "GET" && path === "/health") socket.write(jsonAnswer(200, undefined));
    else if (method === "GET" && path === "/v1/models") {
      const id = this.#options.model ?? "mock";
      socket.write(jsonAnswer(200, { object: "list", data: [{ id, object: "model" }] }));
    } else if (method === "GET" && path === "/mock/stats") {
      socket.write(jsonAnswer(200, this.#stats.read()));
    } else if (method === "POST" && path === "/mock/reset") {
      const { keepTimesOf = 0 } = resetSchema.safeParse(parseJson(request.body)).data ?? {};
      this.#stats.reset();
      this.#written.reset(keepTimesOf);
      socket.write(jsonAnswer(200, {}));
    } else if (method === "GET" && path === "/mock/times") {
      socket.write(jsonAnswer(200, this.#written.read()));
    } else if (path === "/v1/completions" || path === "/v1/chat/completions") {
      this.#complete(request, socket, path.includes("chat"));
    } else socket.write(errorAnswer(404, `no route ${method} ${path}`));
  }

  #complete({ body, arrivedMs }: MockHttpRequest, socket: Socket, chat: boolean): void {
    const value = parseJson(body);
    const parsed = isPlainRequest(value)
      ? { success: true as const, data: value }
      : requestSchema.safeParse(value);
    if (!parsed.success) {
      socket.write(errorAnswer(400, z.prettifyError(parsed.error)));
      return;
    }
    const request = parsed.data;
    const fault = this.#options.faultOf?.(this.#asked++);
    if (this.#options.keepRequests !== false) this.requests.push(request);
    if (fault?.kind === "http") {
      socket.write(errorAnswer(fault.status, fault.message));
      return;
    }
    this.#open++;
    this.peakConcurrency = Math.max(this.peakConcurrency, this.#open);
    const { ttftMs, itlMs, jitterMs = 0 } = this.#options;
    const { tokensPerChunk = 1, chunksPerWrite = 1 } = this.#options;
    const answer = new Answer(socket, this.#framesOf(request.model, chat), {
      ...{ arrivedMs, ttftMs, itlMs, jitterMs, tokensPerChunk, chunksPerWrite, fault },
      maxTokens: request.max_completion_tokens ?? request.max_tokens ?? 16,
      promptTokens: promptTokensOf(request),
      includeUsage: request.stream_options?.include_usage === true,
      onWritten: this.#written.open(keyOf(request)),
    });
    this.#ticker.schedule(answer);
  }

  #step(answer: Answer, nowMs: number): void {
    if (answer.isClosed) {
      this.#open--;
      return;
    }
    const isFirst = answer.sent === 0;
    const goesOn = answer.step(nowMs, this.#stats);
    if (isFirst && answer.sent > 0) {
      this.#stats.first(answer.arrivedMs + this.#offsetMs, nowMs + this.#offsetMs);
    }
    if (!goesOn) this.#open--;
    else if (!answer.onWritable(() => this.#ticker.schedule(answer))) this.#ticker.schedule(answer);
  }

  #framesOf(model: string, chat: boolean): Frames {
    const key = `${chat} ${model}`;
    let frames = this.#frames.get(key);
    if (frames === undefined) {
      const { tokensPerChunk = 1, listTokenIds = false } = this.#options;
      frames = new Frames({ chat, model, tokensPerChunk, listTokenIds });
      this.#frames.set(key, frames);
    }
    return frames;
  }
}

/** What a client can know a request by: see WriteLog. */
function keyOf({ prompt }: MockRequest): number | undefined {
  return typeof prompt === "string" ? undefined : prompt?.[0];
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

function errorAnswer(status: number, message: string): Buffer {
  const error = { message, type: "invalid_request_error", code: status };
  return jsonAnswer(status, { error });
}
