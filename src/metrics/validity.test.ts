import { describe, expect, test } from "vitest";
import type { RequestRecord } from "./record.ts";
import { success } from "../../test/request-records.ts";
import type { LoadConditions } from "./conditions.ts";
import { assessValidity, describeValidity, type ValidityContext } from "./validity.ts";

const context: ValidityContext = { loop: "open", ignoreEos: true, warmedUp: true };

function reasons(records: readonly RequestRecord[], over: Partial<ValidityContext> = {}) {
  const { valid, reasons: found } = assessValidity(records, { ...context, ...over });
  expect(valid).toBe(found.length === 0);
  return found;
}

/** Ten successes sent on time, one every 100 ms. */
const clean = Array.from({ length: 10 }, (_, index) => {
  const at = (index + 1) * 100;
  return success({ index, intendedMs: at, sentMs: at, tokenTimesMs: [at + 50, at + 60] });
});

test("a clean cell passes every gate", () => {
  expect(reasons(clean, { requestedRate: 10 })).toEqual([]);
});

describe("each gate objects with its numbers", () => {
  test("failed requests", () => {
    const failed = success({ error: { code: "stall", message: "the server sent nothing" } });
    expect(reasons([...clean, failed])).toEqual([
      "1 of 11 requests failed; the first: the server sent nothing",
    ]);
  });

  test("nothing succeeded", () => {
    expect(reasons([])).toEqual(["no request succeeded"]);
  });

  test("a late client, unless a cap or a closed loop holds requests back", () => {
    const late = clean.map((r) => ({ ...r, intendedMs: r.intendedMs - 10.1 }));
    expect(reasons(late)).toEqual([
      "the load generator was late: p99 of sent minus intended is 10.1 ms, limit 10.0 ms",
    ]);
    expect(reasons(late, { loop: "capped" })).toEqual([]);
    expect(reasons(late, { loop: "closed" })).toEqual([]);
    expect(reasons(clean.map((r) => ({ ...r, intendedMs: r.intendedMs - 9.9 })))).toEqual([]);
  });

  test("lateness counts against TTFT where that is long", () => {
    const slow = clean.map((r) => ({
      ...r,
      intendedMs: r.intendedMs - 40,
      tokenTimesMs: [r.sentMs + 1000, r.sentMs + 1010],
    }));
    expect(reasons(slow)).toEqual([]);
  });

  test("answers of another length, where EOS is ignored", () => {
    const short = clean.map((r) => (r.index === 3 ? { ...r, outputTokens: 1 } : r));
    expect(reasons(short)).toEqual([
      "1 of 10 answers have another length than requested although EOS is ignored; request 3: 1 of 2 tokens",
    ]);
    expect(reasons(short, { ignoreEos: false })).toEqual([]);
  });

  test("prompts that the server counts otherwise", () => {
    const exactPromptTokens = new Map(clean.map((r) => [r.index, r.index === 2 ? 9 : 10]));
    expect(reasons(clean, { exactPromptTokens })).toEqual([
      "the server counted other prompt lengths in 1 requests; request 2: 10 tokens where 9 were sent",
    ]);
  });

  test("several tokens in a chunk", () => {
    const bundled = clean.map((r) => ({ ...r, outputTokens: 3, requestedOutputTokens: 3 }));
    expect(reasons(bundled)).toEqual([
      "a chunk carries 1.50 tokens on average, so ITL is per chunk and not per token; read TPOT",
    ]);
  });

  test("a rate that was not offered; rate inf has none to keep", () => {
    expect(reasons(clean, { requestedRate: 20 })).toEqual([
      "20 requests/s were asked for and 10.0 were sent",
    ]);
    expect(reasons(clean, { requestedRate: Number.POSITIVE_INFINITY })).toEqual([]);
  });

  test("no warm-up", () => {
    expect(reasons(clean, { warmedUp: false })).toEqual(["no warm-up ran before the measurement"]);
  });

  const quiet: LoadConditions = {
    clientDelayMs: { mean: 0.2, p99: 1, max: 3 },
    machine: { cores: 2, busyShare: 1, stealShare: 0, throttledMs: 0, loadAverage: 2 },
    prefixCacheHitTokens: 0,
  };
  const busy = { cores: 2, busyShare: 1, stealShare: 0.06, throttledMs: 0, loadAverage: 9 };

  test("a client whose event loop was held up", () => {
    expect(reasons(clean, { conditions: quiet })).toEqual([]);
    const tail = { mean: 2, p99: 10.4, max: 40 };
    expect(reasons(clean, { conditions: { ...quiet, clientDelayMs: tail } })).toEqual([]);
    const { gates } = assessValidity(clean, {
      ...context,
      conditions: { ...quiet, clientDelayMs: tail },
    });
    expect(gates.find(({ name }) => name === "client error")?.verdict).toBe("note");
    const clientDelayMs = { mean: 5.1, p99: 10.4, max: 40 };
    expect(reasons(clean, { conditions: { ...quiet, clientDelayMs } })).toEqual([
      "the client's stamps may be late by 5.10 ms on average (limit 5.0 ms), p99 10.4 ms",
    ]);
  });

  test("stolen and throttled time", () => {
    expect(reasons(clean, { conditions: { ...quiet, machine: busy } })).toEqual([
      "the machine was not ours alone: 6.0 % of processor time was stolen, 0 ms throttled, 100 % of all cores busy",
    ]);
    const throttled = { ...busy, stealShare: 0, throttledMs: 55 };
    const conditions = { ...quiet, machine: throttled };
    expect(reasons(clean, { conditions, durationMs: 1000 })).toHaveLength(1);
    expect(reasons(clean, { conditions, durationMs: 2000 })).toEqual([]);
  });

  test.each([
    [0.009, "passed"],
    [0.03, "note"],
    [0.051, "failed"],
  ])("a machine that lost a share of %d of its time", (share, verdict) => {
    for (const machine of [
      { ...busy, stealShare: share },
      { ...busy, stealShare: 0, throttledMs: share * 1000 },
    ]) {
      const conditions = { ...quiet, machine };
      const { gates } = assessValidity(clean, { ...context, conditions, durationMs: 1000 });
      expect(gates.find(({ name }) => name === "machine")?.verdict).toBe(verdict);
    }
  });

  test("prompt tokens from a prefix cache, by the server's counter or by its usage", () => {
    const text =
      "10.0 % of prompt tokens came from the server's prefix cache: TTFT and throughput are those of a warm cache";
    expect(reasons(clean, { conditions: { ...quiet, prefixCacheHitTokens: 10 } })).toEqual([text]);
    expect(reasons(clean.map((r) => ({ ...r, cachedPromptTokens: 1 })))).toEqual([text]);
    expect(reasons(clean.map((r) => ({ ...r, cachedPromptTokens: 0 })))).toEqual([]);
  });

  test("usage that does not agree with the tokens that the chunks list", () => {
    const listed = clean.map((r) => ({ ...r, chunkTokens: r.index === 4 ? [1, 2] : [1, 1] }));
    expect(reasons(listed)).toEqual([
      "usage and the chunks' own counts differ in 1 answers; the first is request 4",
    ]);
  });
});

test("every gate says what it found, and what is only worth a note spoils nothing", () => {
  const validity = assessValidity(clean, { ...context, ignoreEos: false, durationMs: 1000 });
  expect(validity.gates.map(({ name }) => name)).toHaveLength(13);
  expect(validity.valid).toBe(true);
  expect(describeValidity(validity)).toEqual([
    "valid: 8 of 13 gates passed",
    "  not checked: client error: the client's event loop was not watched",
    "  not checked: prompt lengths: prompts went as text, whose tokens only the server can count",
    "  not checked: prefix cache: the server does not say what it took from a prefix cache",
    "  note: window: 1.0 s were measured: under 10 s one slow moment shows in every figure",
    "  not checked: machine: the system does not say what else it did",
  ]);
});
