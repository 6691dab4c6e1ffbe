/** The HTTP server: routes, limits, the API key, and an orderly end. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:net";
import { type FastifyInstance, fastify } from "fastify";
import { systemClock } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { addChat } from "./chat.ts";
import { addCompletions } from "./completions.ts";
import { toErrorAnswer } from "./errors.ts";
import { addHealth } from "./health.ts";
import { addModels } from "./models.ts";
import { createMetrics } from "./prometheus.ts";
import type { ServiceOptions } from "./service.ts";
import { addTokenize } from "./tokenize.ts";

export interface AppOptions extends ServiceOptions {
  /** Asked for as a bearer token everywhere but at /health; undefined lets everyone in. */
  readonly apiKey: string | undefined;
}

/** A million token ids of eight digits: longer prompts than any model here takes. */
const bodyLimitBytes = 8 * 2 ** 20;

/** Longer than clients keep an idle socket, so that it is the client who closes it, never a race. */
const keepAliveMs = 75_000;

/** A request that trickles in for longer is dropped, so that slow senders cannot hold every socket. */
const requestTimeoutMs = 120_000;

/** Of a full queue: a place is free as soon as any running request ends. */
const retryAfterSeconds = 1;

/** Routes without a socket: for tests by `inject`, and for `listen`. */
export function createApp(options: AppOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: keepAliveMs,
    requestTimeout: requestTimeoutMs,
  });
  const service = {
    ...options,
    metrics: createMetrics(options.host, options.modelName),
    createdSeconds: Math.floor(options.clock.wallMs() / 1000),
  };
  if (options.apiKey !== undefined) requireKey(app, options.apiKey);
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = toErrorAnswer(error);
    if (status === 500) log.error({ err: error, url: request.url }, "a request failed");
    if (status === 429) reply.header("retry-after", retryAfterSeconds);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url}; see GET /v1/models and POST /v1/chat/completions`;
    const type = "invalid_request_error";
    return reply.code(404).send({ error: { message, type, param: null, code: "not_found" } });
  });
  addCompletions(app, service);
  addChat(app, service);
  addTokenize(app, service);
  addModels(app, service);
  addHealth(app, service);
  return app;
}

function requireKey(app: FastifyInstance, apiKey: string): void {
  // Digests have one length, which the comparison needs, and hide the key's own.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const wanted = digest(`Bearer ${apiKey}`);
  app.addHook("onRequest", async (request) => {
    if (request.url === "/health") return;
    if (timingSafeEqual(digest(request.headers.authorization ?? ""), wanted)) return;
    throw new QuantlabError("key-refused", "the API key is missing or wrong", {
      hint: "send the header Authorization: Bearer KEY, with the server's --api-key",
    });
  });
}

/**
 * Listens and returns the address to talk to.
 * @param port 0 takes a free one
 * @throws usage when the port is taken or not ours to take
 */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw explainRefusal(cause, host, port);
  }
  const address = app.server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
}

/** Whether one could listen there now, known before a model is loaded. @throws usage as `listen` */
export async function requireAddress(host: string, port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (cause) => reject(explainRefusal(cause, host, port)));
    probe.listen({ host, port }, () => probe.close(() => resolve()));
  });
}

/** An error of listening that the user can mend, in words; any other as it is. */
function explainRefusal(cause: unknown, host: string, port: number): unknown {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const why =
    code === "EADDRINUSE"
      ? "another program listens there already"
      : code === "EACCES"
        ? "this user may not take it"
        : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
          ? "this machine has no such address"
          : undefined;
  if (why === undefined) return cause;
  return new QuantlabError("usage", `cannot listen on ${host}:${port}: ${why}`, {
    hint: "pass another --port (0 takes a free one) or --host",
    cause,
  });
}

/**
 * Takes no more requests, lets those that run finish until `limit` settles, then ends the engine
 * and every connection.
 */
export async function shutDown(
  app: FastifyInstance,
  { host }: Pick<AppOptions, "host">,
  limit: Promise<void>,
): Promise<void> {
  const closed = app.close();
  const overdue = new AbortController();
  void limit.then(() => overdue.abort());
  await Promise.race([host.idle(), limit]);
  await lastBytesTaken(app, overdue.signal);
  await host.stop();
  // Streams that ended with the engine still have their error event to flush.
  await new Promise((resolve) => setImmediate(resolve));
  app.server.closeAllConnections();
  await closed;
}

/** How often connections are looked at while a server ends. */
const closingPollMs = 10;

/** The engine is done before its last tokens are written and read: waits for the connections. */
async function lastBytesTaken(app: FastifyInstance, overdue: AbortSignal): Promise<void> {
  const connections = () =>
    new Promise<number>((resolve) =>
      app.server.getConnections((error, count) => resolve(error ? 0 : count)),
    );
  while (!overdue.aborted) {
    app.server.closeIdleConnections();
    if ((await connections()) === 0) return;
    await systemClock.sleepUntil(systemClock.nowMs() + closingPollMs, overdue);
  }
}
