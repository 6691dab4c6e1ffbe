/** A server behind TLS: measured as any other once its certificate is trusted, and a lesson until then. */
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createServer, type Server } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { selfCheckRequests } from "../../src/load/client-error.ts";
import { runLoad } from "../../src/load/generator.ts";
import { getJson } from "../../src/openai/client.ts";
import { type MockServer, startMockServer } from "../../src/openai/mock-server.ts";
import { QuantlabProcess } from "../quantlab-process.ts";

// A throw-away pair, made by: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
//   -keyout key.pem -out certificate.pem -days 36500 -subj "/CN=quantlab test" -addext subjectAltName=IP:127.0.0.1
const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

let mock: MockServer;
let proxy: Server;
let baseUrl = "";
const sockets = new Set<Socket>();

/** What a reverse proxy in front of an inference server does. */
beforeAll(async () => {
  mock = await startMockServer({ ttftMs: 1, itlMs: 1 });
  const { port } = new URL(mock.baseUrl);
  const [key, cert] = await Promise.all([
    readFile(fixture("key")),
    readFile(fixture("certificate")),
  ]);
  proxy = createServer({ key, cert }, (outer) => {
    const inner = connect(Number(port), "127.0.0.1");
    for (const socket of [outer, inner]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    outer.pipe(inner).pipe(outer);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  baseUrl = `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => proxy.close(resolve));
  await mock.close();
});

function bench(env: Readonly<Record<string, string>>): QuantlabProcess {
  const argv = [
    "bench",
    "throughput",
    "--base-url",
    baseUrl,
    "--batch-sizes",
    "2",
    "--rounds",
    "2",
  ];
  const lengths = ["--input-len", "8", "--output-len", "5", "--vocab-size", "100"];
  return new QuantlabProcess([...argv, ...lengths, "--json"], undefined, env);
}

test("with the certificate in NODE_EXTRA_CA_CERTS it is measured as any other", async () => {
  const run = bench({ NODE_EXTRA_CA_CERTS: fixture("certificate") });
  expect(await run.ended, run.stderr).toBe(0);
  expect(run.stderr).not.toContain("Warning");
  expect(run.stdout).toContain('"completed":4');
});

test("without it the error says what to do, at once", async () => {
  const run = bench({});
  expect(await run.ended).toBe(2);
  expect(run.stderr).toContain("self-signed certificate");
  expect(run.stderr).toContain("NODE_EXTRA_CA_CERTS");
});

test("in a cell each request says so too", async () => {
  const { records } = await runLoad({
    ...{ baseUrl, modelName: "mock", ignoreEos: true, clock: systemClock },
    manifest: selfCheckRequests(2, 3),
    mode: { kind: "closed", concurrency: 1 },
  });
  for (const { error } of records) {
    expect(error?.code).toBe("certificate");
    expect(error?.message).toContain("NODE_EXTRA_CA_CERTS");
  }
});

test("https to a server without TLS is told as that", async () => {
  const server = createHttpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const asking = getJson(`https://127.0.0.1:${port}`, "/v1/models");
  await expect(asking).rejects.toThrow("use http:// instead of https://");
  server.close();
});
