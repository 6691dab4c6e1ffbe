import fc from "fast-check";
import { expect, test } from "vitest";
import type { RequestRecord } from "./record.ts";
import { arbitraryRecords, success } from "../../test/request-records.ts";
import { peakConcurrency, peakEventsPerSecond, steadyState } from "./window.ts";

/** Requests in flight at an instant: sent at or before it, not yet over. */
function inFlightAt(records: readonly RequestRecord[], atMs: number): number {
  return records.filter((r) => r.sentMs <= atMs && atMs < r.doneMs).length;
}

test("peak concurrency is the most that any instant has", () => {
  fc.assert(
    fc.property(arbitraryRecords, (records) => {
      const counts = records.map((r) => inFlightAt(records, r.sentMs));
      expect(peakConcurrency(records)).toBe(Math.max(0, ...counts));
    }),
  );
});

test("back-to-back requests of a closed loop never exceed its number", () => {
  const records = Array.from({ length: 10 }, (_, i) =>
    success({ index: i, sentMs: i * 10, doneMs: i * 10 + 10, tokenTimesMs: [i * 10 + 5] }),
  );
  expect(peakConcurrency(records)).toBe(1);
});

test("peak events count chunks in buckets of a second from the first send", () => {
  const record = success({ sentMs: 500, tokenTimesMs: [600, 1499, 1500, 1600, 1700] });
  expect(peakEventsPerSecond([record])).toBe(3);
  expect(peakEventsPerSecond([])).toBe(0);
});

test("the steady state runs from the first full load to the last", () => {
  // Two in flight from 10 to 100; before and after there is one.
  const long = success({ index: 0, sentMs: 0, doneMs: 100, tokenTimesMs: [5, 20, 100] });
  const late = success({ index: 1, sentMs: 10, doneMs: 120, tokenTimesMs: [30, 99, 120] });
  const state = steadyState([long, late], 2, 120);
  expect(state).toMatchObject({
    startMs: 10,
    endMs: 100,
    peakConcurrency: 2,
    requestsStarted: 1,
    requestsCompleted: 0,
    outputTokensPerSecond: (3 / 90) * 1e3,
  });
  expect(state?.ttftMs?.mean).toBe(20);
  expect(state?.warning).toContain("10.0 s are needed");
});

test("a load that is never reached has no steady state", () => {
  expect(steadyState([success()], 2, 100)).toBeUndefined();
  expect(steadyState([], 1, 100)).toBeUndefined();
});

test("within the window's edges the load holds, and outside it never does", () => {
  fc.assert(
    fc.property(arbitraryRecords, fc.integer({ min: 1, max: 6 }), (records, target) => {
      const state = steadyState(records, target, 1000);
      const threshold = Math.ceil(0.95 * target);
      const full = records.filter((r) => inFlightAt(records, r.sentMs) >= threshold);
      if (state === undefined) {
        expect(full).toEqual([]);
        return;
      }
      expect(inFlightAt(records, state.startMs)).toBeGreaterThanOrEqual(threshold);
      expect(inFlightAt(records, state.endMs)).toBeLessThan(threshold);
      for (const r of full) {
        expect(r.sentMs).toBeGreaterThanOrEqual(state.startMs);
        expect(r.sentMs).toBeLessThan(state.endMs);
      }
    }),
  );
});
