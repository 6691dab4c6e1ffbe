import fc from "fast-check";
import { expect, test } from "vitest";
import { isGood } from "./goodput.ts";
import type { RequestRecord } from "./record.ts";
import { arbitraryRecord, arbitraryRecords, success } from "../../test/request-records.ts";
import { summarize } from "./summary.ts";

/** The definitions written out once more, straight from the formulas, without the product's code. */
function slowFigures(records: readonly RequestRecord[]) {
  const ttft: number[] = [];
  const tpot: number[] = [];
  const itl: number[] = [];
  const e2el: number[] = [];
  let input = 0;
  let output = 0;
  for (const r of records) {
    if (r.error !== undefined || r.tokenTimesMs.length === 0) continue;
    input += r.promptTokens;
    output += r.outputTokens;
    const first = r.tokenTimesMs[0] as number;
    const last = r.tokenTimesMs[r.tokenTimesMs.length - 1] as number;
    ttft.push(first - r.sentMs);
    e2el.push(last - r.sentMs);
    if (r.outputTokens > 1) {
      tpot.push((last - r.sentMs - (first - r.sentMs)) / (r.outputTokens - 1));
    }
    for (let i = 1; i < r.tokenTimesMs.length; i++) {
      itl.push((r.tokenTimesMs[i] as number) - (r.tokenTimesMs[i - 1] as number));
    }
  }
  return { ttft, tpot, itl, e2el, input, output };
}

const mean = (list: readonly number[]) =>
  list.length === 0 ? undefined : list.reduce((total, x) => total + x, 0) / list.length;

test("one request, by hand", () => {
  // Sent at 5, tokens at 55, 65, 75; usage says 3: TTFT 50, E2EL 70, TPOT 10, gaps 10 and 10.
  const record = success({ sentMs: 5, intendedMs: 3, tokenTimesMs: [55, 65, 75], doneMs: 80 });
  const summary = summarize([record], { durationMs: 100 });
  expect(summary.ttftMs?.mean).toBe(50);
  expect(summary.e2elMs?.mean).toBe(70);
  expect(summary.tpotMs?.mean).toBe(10);
  expect(summary.itlMs).toMatchObject({ n: 2, mean: 10, std: 0 });
  expect(summary.clientLagMs?.mean).toBe(2);
  expect(summary.ttftFromScheduleMs?.mean).toBe(52);
  expect(summary.e2elFromScheduleMs?.mean).toBe(72);
  expect(summary.outputTokensPerSecond).toBe(30);
  expect(summary.totalTokensPerSecond).toBe(130);
  expect(summary.requestsPerSecond).toBe(10);
  expect(summary.goodputRequestsPerSecond).toBeUndefined();
});

test("agrees with the formulas written out", () => {
  fc.assert(
    fc.property(arbitraryRecords, fc.integer({ min: 1, max: 5000 }), (records, durationMs) => {
      const summary = summarize(records, { durationMs });
      const slow = slowFigures(records);
      expect(summary.completed).toBe(slow.ttft.length);
      expect(summary.completed + summary.failed).toBe(records.length);
      expect(summary.totalInputTokens).toBe(slow.input);
      expect(summary.totalOutputTokens).toBe(slow.output);
      expect(summary.outputTokensPerSecond).toBeCloseTo((slow.output * 1000) / durationMs, 6);
      expect(summary.ttftMs?.mean).toEqual(close(mean(slow.ttft)));
      expect(summary.tpotMs?.mean).toEqual(close(mean(slow.tpot)));
      expect(summary.itlMs?.mean).toEqual(close(mean(slow.itl)));
      expect(summary.e2elMs?.mean).toEqual(close(mean(slow.e2el)));
      expect(summary.itlMs?.n ?? 0).toBe(slow.itl.length);
      expect(summary.itlMs?.max).toBe(slow.itl.length === 0 ? undefined : Math.max(...slow.itl));
    }),
  );
});

function close(value: number | undefined) {
  return value === undefined ? undefined : expect.closeTo(value, 6);
}

test("the order of the records does not matter", () => {
  fc.assert(
    fc.property(arbitraryRecords, (records) => {
      expect(summarize(records.toReversed(), { durationMs: 9 })).toEqual(
        summarize(records, { durationMs: 9 }),
      );
    }),
  );
});

test("a request that was never sent has no lag, and a failed one does", () => {
  const unsent = success({ sentMs: 900, error: { code: "not-sent", message: "" } });
  const failed = success({ sentMs: 7, error: { code: "stall", message: "" } });
  expect(summarize([unsent], { durationMs: 1 }).clientLagMs).toBeUndefined();
  expect(summarize([failed], { durationMs: 1 }).clientLagMs?.max).toBe(7);
});

test("an empty cell has counts and no distributions", () => {
  const summary = summarize([], { durationMs: 0, slo: { ttft: 1 } });
  expect(summary).toMatchObject({ completed: 0, failed: 0, requestsPerSecond: 0 });
  expect(summary.goodputRequestsPerSecond).toBe(0);
  expect(summary.ttftMs).toBeUndefined();
});

test("goodput counts the successes within every limit, limits included", () => {
  const record = success({ tokenTimesMs: [50, 60, 70] });
  expect(isGood(record, { ttft: 50, tpot: 10, e2el: 70 })).toBe(true);
  expect(isGood(record, { ttft: 49.9 })).toBe(false);
  expect(isGood(record, { tpot: 9.9 })).toBe(false);
  expect(isGood(record, { e2el: 69.9 })).toBe(false);
  expect(isGood({ ...record, error: { code: "stall", message: "" } }, { ttft: 1e9 })).toBe(false);
  // A one-token answer has no TPOT; it counts as 0.
  expect(isGood(success({ tokenTimesMs: [50] }), { tpot: 1 })).toBe(true);
});

test("goodput without limits is request throughput, and looser limits never lower it", () => {
  const limit = fc.nat(200);
  fc.assert(
    fc.property(fc.array(arbitraryRecord), limit, limit, (records, a, b) => {
      const rate = (ttft: number) =>
        summarize(records, { durationMs: 1000, slo: { ttft } }).goodputRequestsPerSecond ?? -1;
      expect(rate(Math.min(a, b))).toBeLessThanOrEqual(rate(Math.max(a, b)));
      expect(rate(1e9)).toBe(summarize(records, { durationMs: 1000 }).requestsPerSecond);
    }),
  );
});
