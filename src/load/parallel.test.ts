import { afterEach, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { type MockServer, startMockServer } from "../openai/mock-server.ts";
import type { LoadOptions } from "./generator.ts";
import { freeze } from "./manifest.ts";
import { runLoadInWorkers, splitCell } from "./parallel.ts";

let server: MockServer;
afterEach(() => server?.close());

const manifestOf = (count: number, gapMs = 0) =>
  freeze({
    prompts: "x",
    arrivals: "x",
    seed: 0,
    requests: Array.from({ length: count }, (_, index) => ({
      ...{ index, prompt: [1, index], promptTokens: 2, maxTokens: 3, intendedMs: index * gapMs },
    })),
  });

async function optionsFor(over: Partial<LoadOptions>): Promise<LoadOptions> {
  server = await startMockServer({ ttftMs: 0, itlMs: 0 });
  return {
    baseUrl: server.baseUrl,
    modelName: "mock",
    manifest: manifestOf(20),
    mode: { kind: "closed", concurrency: 5 },
    ignoreEos: true,
    clock: systemClock,
    ...over,
  };
}

test("requests and limits are dealt out whole", () => {
  const parts = splitCell(manifestOf(10), { kind: "closed", concurrency: 5 }, 3);
  expect(parts.map(({ manifest }) => manifest.requests.map((r) => r.index))).toEqual([
    [0, 3, 6, 9],
    [1, 4, 7],
    [2, 5, 8],
  ]);
  expect(parts.map(({ mode }) => mode)).toEqual([
    { kind: "closed", concurrency: 2 },
    { kind: "closed", concurrency: 2 },
    { kind: "closed", concurrency: 1 },
  ]);
  // No worker without a place, or without a request.
  expect(splitCell(manifestOf(10), { kind: "closed", concurrency: 2 }, 8)).toHaveLength(2);
  expect(splitCell(manifestOf(3), { kind: "open" }, 8)).toHaveLength(3);
});

test("a cell in several threads gives one record a request, on one time line", async () => {
  const seen: number[] = [];
  const options = await optionsFor({ onRecord: (record) => void seen.push(record.index) });
  const { records, durationMs } = await runLoadInWorkers(options, 3);
  expect(records.map((record) => record.index)).toEqual([...Array(20).keys()]);
  expect(seen.toSorted((a, b) => a - b)).toEqual([...Array(20).keys()]);
  for (const record of records) {
    expect(record.error).toBeUndefined();
    expect(record.sentMs).toBeGreaterThanOrEqual(0);
    expect(record.doneMs).toBeLessThanOrEqual(durationMs);
  }
  expect(server.peakConcurrency()).toBeLessThanOrEqual(5);
});

test("an abort ends every thread's part", async () => {
  const abort = new AbortController();
  const options = await optionsFor({
    manifest: manifestOf(6, 60_000),
    mode: { kind: "open" },
    signal: abort.signal,
    onRecord: () => abort.abort("enough"),
  });
  const { records } = await runLoadInWorkers(options, 2);
  // The first request of each thread may have been sent; none of those a minute later.
  expect(records.slice(2).map((record) => record.error?.code)).toEqual(Array(4).fill("not-sent"));
  expect(records).toHaveLength(6);
});

test("a server that is not there is a failure of each request, not of the threads", async () => {
  const options = await optionsFor({});
  await server.close();
  const { records } = await runLoadInWorkers(options, 2);
  expect(records).toHaveLength(20);
  expect(records.every((record) => record.error !== undefined)).toBe(true);
});
