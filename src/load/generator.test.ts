import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { summarize } from "../metrics/summary.ts";
import {
  type MockFault,
  type MockServer,
  type MockServerOptions,
  startMockServer,
} from "../openai/mock-server.ts";
import { type LoadOptions, runLoad } from "./generator.ts";
import { freeze } from "./manifest.ts";
import type { RequestManifest } from "./request.ts";

let server: MockServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function mock(options: Partial<MockServerOptions> = {}): Promise<MockServer> {
  server = await startMockServer({ ttftMs: 0, itlMs: 0, ...options });
  return server;
}

function manifestOf(count: number, maxTokens = 4, gapMs = 0): RequestManifest {
  const requests = Array.from({ length: count }, (_, index) => ({
    index,
    prompt: [1, 2, 3 + index],
    promptTokens: 3,
    maxTokens,
    intendedMs: index * gapMs,
  }));
  return freeze({ prompts: "three ids", arrivals: "test", seed: 0, requests });
}

async function run(options: Partial<LoadOptions> & { manifest: RequestManifest }) {
  const baseUrl = server?.baseUrl ?? "";
  return runLoad({
    baseUrl,
    modelName: "mock",
    mode: { kind: "open" },
    ignoreEos: true,
    clock: systemClock,
    ...options,
  });
}

/** One request that meets `fault`. */
async function failWith(fault: MockFault, options: Partial<LoadOptions> = {}) {
  await mock({ faultOf: () => fault });
  const { records } = await run({ manifest: manifestOf(1), ...options });
  return records[0] as RequestRecord;
}

describe("a successful cell", () => {
  test("has one record for each request, in order, with the server's counts", async () => {
    await mock();
    const seen: number[] = [];
    const { records, durationMs } = await run({
      manifest: manifestOf(20, 5),
      keepText: true,
      onRecord: (record) => void seen.push(record.index),
    });
    expect(records.map((r) => r.index)).toEqual([...Array(20).keys()]);
    expect(seen.toSorted((a, b) => a - b)).toEqual([...Array(20).keys()]);
    for (const record of records) {
      expect(record.error).toBeUndefined();
      expect(record.tokenTimesMs).toHaveLength(5);
      expect(record.promptTokens).toBe(3);
      expect(record.outputTokens).toBe(5);
      expect(record.outputTokensSource).toBe("usage");
      expect(record.finishReason).toBe("length");
      expect(record.text).toBe(" t0 t1 t2 t3 t4");
    }
    expect(durationMs).toBe(Math.max(...records.map((r) => r.doneMs)));
  });

  test("orders its times: intended, sent, first byte, tokens, done", async () => {
    await mock({ ttftMs: 5, itlMs: 1 });
    const { records } = await run({ manifest: manifestOf(10, 6, 3) });
    for (const record of records) {
      const times = [
        record.intendedMs,
        record.sentMs,
        record.firstByteMs ?? Number.NaN,
        ...record.tokenTimesMs,
        record.doneMs,
      ];
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  });

  test("measures no less than the server waited, and about that", async () => {
    await mock({ ttftMs: 40, itlMs: 8 });
    const { records, durationMs } = await run({ manifest: manifestOf(4, 11) });
    const summary = summarize(records, { durationMs });
    // The server's timers never fire early, so these bounds hold on any machine.
    expect(summary.ttftMs?.min).toBeGreaterThanOrEqual(40);
    expect(summary.e2elMs?.min).toBeGreaterThanOrEqual(40 + 10 * 8);
    expect(summary.ttftMs?.median).toBeLessThan(40 + 400);
    expect(summary.tpotMs?.median).toBeLessThan(8 + 80);
  });

  test("sends what the server needs and nothing that a strict one refuses", async () => {
    const { requests } = await mock();
    await run({ manifest: manifestOf(1), ignoreEos: false });
    expect(requests[0]).toEqual({
      model: "mock",
      prompt: [1, 2, 3],
      max_tokens: 4,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test("counts tokens of chunks where the server lists them", async () => {
    await mock({ tokensPerChunk: 3, listTokenIds: true });
    const { records } = await run({ manifest: manifestOf(1, 7) });
    expect(records[0]?.chunkTokens).toEqual([3, 3, 1]);
    expect(records[0]?.outputTokens).toBe(7);
  });
});

describe("concurrency", () => {
  test("a closed loop keeps at most its number in flight and sends everything", async () => {
    const mockServer = await mock({ ttftMs: 3 });
    const { records } = await run({
      manifest: manifestOf(30),
      mode: { kind: "closed", concurrency: 4 },
    });
    expect(records.filter((r) => r.error === undefined)).toHaveLength(30);
    expect(mockServer.peakConcurrency()).toBeLessThanOrEqual(4);
  });

  test("a capped open loop holds requests back and shows it as lag", async () => {
    const mockServer = await mock({ ttftMs: 10 });
    const { records } = await run({
      manifest: manifestOf(6, 1),
      mode: { kind: "open", maxConcurrency: 2 },
    });
    expect(mockServer.peakConcurrency()).toBeLessThanOrEqual(2);
    // Two run, four wait for at least one and two rounds of 10 ms.
    expect(records[5]?.intendedMs).toBe(0);
    expect(records[5]?.sentMs).toBeGreaterThanOrEqual(20);
  });

  test("records are delivered one at a time although they end together", async () => {
    await mock();
    let open = 0;
    let most = 0;
    await run({
      manifest: manifestOf(12),
      onRecord: async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setImmediate(resolve));
        open--;
      },
    });
    expect(most).toBe(1);
  });

  test("a failing onRecord fails the run", async () => {
    await mock();
    const failing = run({
      manifest: manifestOf(3),
      onRecord: () => Promise.reject(new Error("disk full")),
    });
    await expect(failing).rejects.toThrow("disk full");
  });
});

describe("hazards", () => {
  test("an HTTP error carries the server's message", async () => {
    const record = await failWith({ kind: "http", status: 429, message: "the queue is full" });
    expect(record.error).toEqual({ code: "http-429", message: "HTTP 429: the queue is full" });
    expect(record.tokenTimesMs).toEqual([]);
  });

  test("a reset in mid-stream keeps the tokens that came", async () => {
    const record = await failWith({ kind: "reset", afterTokens: 2 });
    expect(record.error?.code).toBe("connection-reset");
    expect(record.tokenTimesMs).toHaveLength(2);
  });

  test("a stall ends after the limit", async () => {
    const record = await failWith({ kind: "stall", afterTokens: 1 }, { stallTimeoutMs: 50 });
    expect(record.error?.code).toBe("stall");
    expect(record.error?.message).toContain("0.05 s");
  });

  test("an error event in mid-stream is the error", async () => {
    const record = await failWith({ kind: "error-event", afterTokens: 2 });
    expect(record.error).toEqual({
      code: "server-error",
      message: "the server reported an error in the stream: the engine is gone",
    });
  });

  test("a malformed event is named", async () => {
    const record = await failWith({ kind: "malformed", afterTokens: 1 });
    expect(record.error?.code).toBe("malformed-stream");
  });

  test("a stream that ends without finish reason or [DONE] is cut", async () => {
    const record = await failWith({ kind: "cut", afterTokens: 2 });
    expect(record.error?.code).toBe("cut-stream");
  });

  test("200 without output is no success", async () => {
    const record = await failWith({ kind: "no-output" });
    expect(record.error?.code).toBe("empty-stream");
  });

  test("without usage the chunks are counted, and the record says so", async () => {
    const record = await failWith({ kind: "no-usage" });
    expect(record.error).toBeUndefined();
    expect(record.outputTokens).toBe(4);
    expect(record.outputTokensSource).toBe("chunks");
  });

  test("a dead server ends the cell: the rest is not tried", async () => {
    await mock();
    const baseUrl = server?.baseUrl ?? "";
    await server?.close();
    const { records } = await run({
      baseUrl,
      manifest: manifestOf(40, 4, 60_000),
      mode: { kind: "closed", concurrency: 1 },
    });
    const codes = records.map((r) => r.error?.code);
    expect(codes.slice(0, 3)).toEqual(Array(3).fill("connection-refused"));
    expect(codes.slice(3)).toEqual(Array(37).fill("not-sent"));
  });

  test("a server that dies in mid-cell ends an open loop before its schedule does", async () => {
    const mockServer = await mock();
    // The rest is due in an hour: only giving up can end the cell. One request at a time, so that
    // those after the first find a closed port, however slow the machine is.
    const hourMs = 3_600_000;
    const manifest = manifestOf(40, 4);
    const requests = manifest.requests.map((request) =>
      request.index < 30 ? request : { ...request, intendedMs: hourMs },
    );
    const { records, durationMs } = await run({
      manifest: freeze({ ...manifest, requests }),
      mode: { kind: "open", maxConcurrency: 1 },
      onRecord: (record) => (record.index === 0 ? mockServer.close() : undefined),
    });
    expect(records[0]?.error).toBeUndefined();
    expect(records.at(-1)?.error?.code).toBe("not-sent");
    expect(durationMs).toBeLessThan(hourMs);
  });

  test("an abort ends what is in flight and leaves the rest unsent", async () => {
    await mock({ ttftMs: 3_600_000 });
    const controller = new AbortController();
    const running = run({
      manifest: manifestOf(5, 4, 60_000),
      signal: controller.signal,
      onProgress: () => {},
    });
    // The first is sent at once; wait until the server has it.
    while (server?.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort("stopped by the test");
    const { records } = await running;
    expect(records.map((r) => r.error?.code)).toEqual(["aborted", ...Array(4).fill("not-sent")]);
    expect(records[0]?.error?.message).toBe("stopped by the test");
  });

  test("an abort before the start sends nothing", async () => {
    const mockServer = await mock();
    const { records } = await run({ manifest: manifestOf(3), signal: AbortSignal.abort() });
    expect(records.every((r) => r.error?.code === "not-sent")).toBe(true);
    expect(mockServer.requests).toHaveLength(0);
  });
});
