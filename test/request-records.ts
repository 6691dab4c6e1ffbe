/** Request records for tests: arbitrary ones, and a plain success. Used by tests only. */
import fc from "fast-check";
import type { RequestRecord } from "../src/metrics/record.ts";

/** A success or a failure with consistent times; integers, so that sums are exact. */
export const arbitraryRecord: fc.Arbitrary<RequestRecord> = fc
  .record({
    intendedMs: fc.nat(1000),
    lagMs: fc.nat(50),
    gaps: fc.array(fc.nat(100), { maxLength: 12 }),
    tailMs: fc.nat(20),
    tokensPerChunk: fc.integer({ min: 1, max: 3 }),
    promptTokens: fc.integer({ min: 1, max: 500 }),
    fails: fc.boolean(),
  })
  .map((draw) => {
    const sentMs = draw.intendedMs + draw.lagMs;
    const tokenTimesMs = draw.gaps.map((_, i) =>
      draw.gaps.slice(0, i + 1).reduce((now, gap) => now + gap, sentMs),
    );
    return {
      index: 0,
      intendedMs: draw.intendedMs,
      sentMs,
      firstByteMs: tokenTimesMs[0],
      tokenTimesMs,
      doneMs: (tokenTimesMs.at(-1) ?? sentMs) + draw.tailMs,
      promptTokens: draw.promptTokens,
      outputTokens: tokenTimesMs.length * draw.tokensPerChunk,
      outputTokensSource: "usage",
      requestedOutputTokens: tokenTimesMs.length * draw.tokensPerChunk,
      finishReason: "length",
      error: draw.fails ? { code: "stall", message: "the server sent nothing" } : undefined,
    };
  });

export const arbitraryRecords: fc.Arbitrary<RequestRecord[]> = fc
  .array(arbitraryRecord, { maxLength: 25 })
  .map((records) => records.map((record, index) => ({ ...record, index })));

/** A success with the given times; tokens one per event. */
export function success(over: Partial<RequestRecord> = {}): RequestRecord {
  const tokenTimesMs = over.tokenTimesMs ?? [50, 60, 70, 80, 90];
  return {
    index: 0,
    intendedMs: 0,
    sentMs: 0,
    firstByteMs: tokenTimesMs[0],
    tokenTimesMs,
    doneMs: tokenTimesMs.at(-1) ?? 0,
    promptTokens: 10,
    outputTokens: tokenTimesMs.length,
    outputTokensSource: "usage",
    requestedOutputTokens: tokenTimesMs.length,
    finishReason: "length",
    error: undefined,
    ...over,
  };
}
