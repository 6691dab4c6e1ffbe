import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { endpointUrl, getJson, listModels, waitUntilReady } from "./client.ts";
import { startMockServer } from "./mock-server.ts";

let closing: (() => Promise<unknown>) | undefined;
afterEach(async () => {
  await closing?.();
  closing = undefined;
});

/** A server that answers everything with one status and body. */
async function answering(status: number, body: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    response.writeHead(status, { "x-auth": request.headers.authorization ?? "" });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address at which nothing listens. */
async function deadUrl(): Promise<string> {
  const server = await startMockServer({ ttftMs: 0, itlMs: 0 });
  await server.close();
  return server.baseUrl;
}

test.each(["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])(
  "%s is a base address",
  (baseUrl) => {
    expect(endpointUrl(baseUrl, "/v1/models").href).toBe("http://h:1/v1/models");
  },
);

test("a path before /v1 is kept, and what is no address is refused", () => {
  expect(endpointUrl("https://h/proxy/v1", "/health").href).toBe("https://h/proxy/health");
  for (const bad of ["127.0.0.1:8000", "ftp://h", "", "localhost"]) {
    expect(() => endpointUrl(bad, "/health")).toThrow("is not an http(s) address");
  }
});

describe("getJson", () => {
  test("lists models of an OpenAI server", async () => {
    const server = await startMockServer({ ttftMs: 0, itlMs: 0, model: "mine" });
    closing = server.close;
    expect(await listModels(`${server.baseUrl}/v1`)).toEqual(["mine"]);
  });

  test("an error status carries the server's message", async () => {
    const url = await answering(401, '{"error": {"message": "wrong key", "type": "x"}}');
    await expect(getJson(url, "/v1/models")).rejects.toMatchObject({
      code: "target-failed",
      message: `${url}/v1/models answered HTTP 401: wrong key`,
    });
  });

  test("what is not JSON, or not a model list, is said", async () => {
    const page = await answering(200, "<html>");
    await expect(getJson(page, "/x")).rejects.toThrow('answered "<html>", which is not JSON');
    await closing?.();
    const other = await answering(200, "{}");
    await expect(listModels(other)).rejects.toThrow("is not an OpenAI model list");
  });

  test("a refused connection is said in words", async () => {
    await expect(getJson(await deadUrl(), "/x")).rejects.toThrow("connection refused");
  });
});

describe("waitUntilReady", () => {
  test("asks again until the server answers", async () => {
    const clock = new ManualClock();
    const { baseUrl } = { baseUrl: await deadUrl() };
    const waiting = waitUntilReady(baseUrl, { clock, timeoutMs: 10_000 });
    // It sleeps on the clock after the first refusal; only then does a server appear.
    while (clock.nextDeadlineMs() === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const port = Number(new URL(baseUrl).port);
    const server = await startMockServer({ ttftMs: 0, itlMs: 0, port });
    closing = server.close;
    clock.advanceTo(clock.nextDeadlineMs() ?? 0);
    expect(await waiting).toEqual(["mock"]);
  });

  test("gives up at its limit with the last reason", async () => {
    const waiting = waitUntilReady(await deadUrl(), { clock: new ManualClock(), timeoutMs: 0 });
    await expect(waiting).rejects.toThrow("connection refused");
  });

  test("a wrong address is not waited for", async () => {
    const waiting = waitUntilReady("nowhere", { clock: new ManualClock(), timeoutMs: 1e9 });
    await expect(waiting).rejects.toThrow("is not an http(s) address");
  });
});
