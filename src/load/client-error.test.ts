import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { type MockServer, startMockServer } from "../openai/mock-server.ts";
import { measureClientError, selfCheckRequests } from "./client-error.ts";
import { runLoad } from "./generator.ts";

let server: MockServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const known = { ttftMs: 4, itlMs: 1, outputTokens: 12 };

describe("the client's own error", () => {
  test.each([
    { workers: 1, busyPoll: false },
    { workers: 1, busyPoll: true },
    { workers: 2, busyPoll: false },
  ])("is split into its parts, and told for each event: %o", async (how) => {
    server = await startMockServer({ ...known });
    const figures = await measureClientError({
      ...{ baseUrl: server.baseUrl, concurrency: 4, requests: 8, known, clock: systemClock },
      ...how,
    });
    expect(figures).toMatchObject({ requests: 8, failed: 0, events: 96 });
    const { toServer, server: late, toClient } = figures.ttftErrorPartsMs;
    expect(toServer + late + toClient).toBeCloseTo(figures.ttftErrorMs.mean, 1);
    // Nothing is stamped before it was written, nor written before it was due.
    expect(figures.stampDelayMs?.mean).toBeGreaterThan(0);
    expect(figures.ttftErrorMs.mean).toBeGreaterThan(0);
    // Gap errors of a stream add up to the difference of its first and last delay.
    const { mean = Number.NaN, max = Number.NaN } = figures.itlErrorMs ?? {};
    expect(max).toBeGreaterThanOrEqual(mean);
    expect(Math.abs(mean)).toBeLessThanOrEqual(figures.stampDelayMs?.max ?? 0);
  });
});

test("events that the server writes together are still events of their own", async () => {
  server = await startMockServer({ ...known, chunksPerWrite: 4 });
  const { records } = await runLoad({
    ...{ baseUrl: server.baseUrl, modelName: "mock", ignoreEos: true, clock: systemClock },
    manifest: selfCheckRequests(3, 10),
    mode: { kind: "closed", concurrency: 1 },
  });
  for (const { tokenTimesMs, outputTokens, error } of records) {
    expect([error, outputTokens, tokenTimesMs.length]).toEqual([undefined, 10, 10]);
    // Written as 4, 4 and 2: those of one write cannot come at different times.
    expect(new Set(tokenTimesMs).size).toBeLessThanOrEqual(3);
  }
});
