/** The gates of a cell, one function each: what is looked at, and whether the figures may be used. */
import type { LoadConditions } from "./conditions.ts";
import { clientLagMs, isSuccess, ttftMs, wasSent } from "./latency.ts";
import { quantile } from "./quantile.ts";
import type { RequestRecord } from "./record.ts";

/** What the gates need beside the records. */
export interface ValidityContext {
  /** "capped" is an open loop that a concurrency limit may hold back. */
  readonly loop: "open" | "capped" | "closed";
  /** Requests per second that were asked for; undefined or Infinity has no rate to keep. */
  readonly requestedRate?: number | undefined;
  /** With it every answer must have exactly the requested number of tokens. */
  readonly ignoreEos: boolean;
  /** Whether a warm-up ran before the first record. */
  readonly warmedUp: boolean;
  /** Prompt tokens by request index where they are exact (token-id prompts). */
  readonly exactPromptTokens?: ReadonlyMap<number, number> | undefined;
  /** From the start of the cell to the last response. */
  readonly durationMs?: number | undefined;
  /** undefined where nobody looked. */
  readonly conditions?: LoadConditions | undefined;
}

/** A "note" is worth reading and spoils nothing; "unknown" could not be looked at. */
export type Verdict = "passed" | "note" | "failed" | "unknown";

export interface GateResult {
  readonly verdict: Verdict;
  /** One sentence, with the numbers. */
  readonly text: string;
}

export interface Gate {
  readonly name: string;
  judge(records: readonly RequestRecord[], context: ValidityContext): GateResult;
}

const passed = (text: string): GateResult => ({ verdict: "passed", text });
const failed = (text: string): GateResult => ({ verdict: "failed", text });
const note = (text: string): GateResult => ({ verdict: "note", text });
const unknown = (text: string): GateResult => ({ verdict: "unknown", text });

/** The client may be late by 10 ms, or by 5 % of the median TTFT where that is longer. */
const lagFloorMs = 10;
const lagShareOfTtft = 0.05;
/** Offered and requested rate may differ by this share. */
const rateTolerance = 0.05;
/** A chunk may carry this many tokens on average before its gaps stop being per token. */
const tokensPerChunkLimit = 1.05;
/** Share of prompt tokens that may come from the server's cache (BOS and chat templates do). */
const cacheHitLimit = 0.01;
/**
 * Share of time that the machine may lose, to a hypervisor's other guests or to a quota. A lost share
 * slows what is measured by about as much. Under the first it is lost in the noise of repeats; up to
 * the second it is no more than repeats of a cell commonly differ by, which their interval shows, and
 * than the offered rate may be off: a note. Beyond, the figures are of another machine than the one named.
 */
const lostShare = { quiet: 0.01, bearable: 0.05 };
/** Below it, one slow moment of the machine is a visible part of every figure. */
const shortMs = 10_000;

/** In the order in which they are shown. */
export const gates: readonly Gate[] = [
  { name: "success", judge: anySuccess },
  { name: "failures", judge: failedRequests },
  { name: "client lag", judge: lateClient },
  { name: "client error", judge: delayedClient },
  { name: "answer lengths", judge: answerLengths },
  { name: "prompt lengths", judge: promptLengths },
  { name: "token counts", judge: tokenCounts },
  { name: "tokens per chunk", judge: tokensPerChunk },
  { name: "rate", judge: offeredRate },
  { name: "warm-up", judge: warmUp },
  { name: "prefix cache", judge: prefixCache },
  { name: "window", judge: windowLength },
  { name: "machine", judge: machine },
];

function anySuccess(records: readonly RequestRecord[]): GateResult {
  const count = records.filter(isSuccess).length;
  return count > 0 ? passed(`${count} requests succeeded`) : failed("no request succeeded");
}

function failedRequests(records: readonly RequestRecord[]): GateResult {
  const bad = records.filter((record) => !isSuccess(record));
  const first = bad[0];
  if (first === undefined) return passed("no request failed");
  const why = first.error?.message ?? "it ended without output";
  return failed(`${bad.length} of ${records.length} requests failed; the first: ${why}`);
}

function latenessLimitMs(records: readonly RequestRecord[]): number {
  const ttfts = records.filter(isSuccess).map((record) => ttftMs(record) ?? 0);
  return Math.max(lagFloorMs, lagShareOfTtft * (quantile(ttfts, 0.5) ?? 0));
}

function lateClient(records: readonly RequestRecord[], context: ValidityContext): GateResult {
  const lagMs = quantile(records.filter(wasSent).map(clientLagMs), 0.99);
  if (lagMs === undefined) return unknown("nothing was sent");
  if (context.loop === "closed") return passed("a closed loop has no schedule to be late for");
  const found = `p99 of sent minus intended is ${lagMs.toFixed(1)} ms`;
  if (context.loop === "capped") return note(`${found}, the wait for a free place included`);
  const limitMs = latenessLimitMs(records);
  const numbers = `${found}, limit ${limitMs.toFixed(1)} ms`;
  return lagMs <= limitMs ? passed(numbers) : failed(`the load generator was late: ${numbers}`);
}

function delayedClient(
  records: readonly RequestRecord[],
  { conditions }: ValidityContext,
): GateResult {
  if (conditions === undefined) return unknown("the client's event loop was not watched");
  const { mean, p99 } = conditions.clientDelayMs;
  // A mean latency is wrong by the mean delay; single late stamps show in its p99 alone.
  const tailLimitMs = latenessLimitMs(records);
  const limitMs = tailLimitMs / 2;
  const numbers = `the client's stamps may be late by ${mean.toFixed(2)} ms on average (limit ${limitMs.toFixed(1)} ms), p99 ${p99.toFixed(1)} ms`;
  if (mean > limitMs) return failed(numbers);
  return p99 <= tailLimitMs
    ? passed(numbers)
    : note(`${numbers}: too much for the p99 of a latency`);
}

function answerLengths(records: readonly RequestRecord[], context: ValidityContext): GateResult {
  const successes = records.filter(isSuccess);
  const wrong = successes.filter((r) => r.outputTokens !== r.requestedOutputTokens);
  const first = wrong[0];
  if (first === undefined) return passed("every answer has the length that was asked for");
  const share = `${wrong.length} of ${successes.length} answers`;
  if (!context.ignoreEos) return note(`${share} ended before the length that was asked for`);
  return failed(
    `${share} have another length than requested although EOS is ignored; request ${first.index}: ${first.outputTokens} of ${first.requestedOutputTokens} tokens`,
  );
}

function promptLengths(records: readonly RequestRecord[], context: ValidityContext): GateResult {
  const expected = context.exactPromptTokens;
  if (expected === undefined || expected.size === 0) {
    return unknown("prompts went as text, whose tokens only the server can count");
  }
  const wrong = records.filter(
    (r) => isSuccess(r) && expected.has(r.index) && expected.get(r.index) !== r.promptTokens,
  );
  const first = wrong[0];
  if (first === undefined) return passed("the server counted the prompt tokens that were sent");
  return failed(
    `the server counted other prompt lengths in ${wrong.length} requests; request ${first.index}: ${first.promptTokens} tokens where ${expected.get(first.index)} were sent`,
  );
}

/** The server's usage against the tokens that its chunks list. */
function tokenCounts(records: readonly RequestRecord[]): GateResult {
  const successes = records.filter(isSuccess);
  const withoutUsage = successes.filter((r) => r.outputTokensSource !== "usage").length;
  if (withoutUsage > 0) {
    return note(`${withoutUsage} answers came without usage: their tokens are counted in chunks`);
  }
  const listed = successes.filter((r) => r.chunkTokens !== undefined);
  if (listed.length === 0) return passed("token counts are the server's usage");
  const wrong = listed.filter(
    (r) => (r.chunkTokens ?? []).reduce((sum, count) => sum + count, 0) !== r.outputTokens,
  );
  const first = wrong[0];
  if (first === undefined) return passed("usage agrees with the tokens that the chunks list");
  return failed(
    `usage and the chunks' own counts differ in ${wrong.length} answers; the first is request ${first.index}`,
  );
}

function tokensPerChunk(records: readonly RequestRecord[]): GateResult {
  const successes = records.filter(isSuccess);
  const tokens = successes.reduce((total, r) => total + r.outputTokens, 0);
  const chunks = successes.reduce((total, r) => total + r.tokenTimesMs.length, 0);
  if (chunks === 0) return unknown("there is no output");
  const perChunk = (tokens / chunks).toFixed(2);
  if (tokens / chunks <= tokensPerChunkLimit) return passed(`${perChunk} tokens a chunk`);
  return failed(
    `a chunk carries ${perChunk} tokens on average, so ITL is per chunk and not per token; read TPOT`,
  );
}

/** The offered rate: what was sent over the time it was to be sent in. Saturation is no fault. */
function offeredRate(records: readonly RequestRecord[], context: ValidityContext): GateResult {
  const requested = context.requestedRate;
  const sent = records.filter(wasSent);
  const lastSentMs = sent.reduce((last, r) => Math.max(last, r.sentMs), 0);
  if (requested === undefined || !Number.isFinite(requested) || lastSentMs === 0) {
    return passed("no rate was asked for");
  }
  const offered = (sent.length / lastSentMs) * 1e3;
  const numbers = `${requested} requests/s were asked for and ${offered.toPrecision(3)} were sent`;
  return Math.abs(offered / requested - 1) <= rateTolerance ? passed(numbers) : failed(numbers);
}

function warmUp(_records: readonly RequestRecord[], context: ValidityContext): GateResult {
  return context.warmedUp
    ? passed("a warm-up with other prompts ran before")
    : failed("no warm-up ran before the measurement");
}

function prefixCache(
  records: readonly RequestRecord[],
  { conditions }: ValidityContext,
): GateResult {
  const inUsage = records.reduce((sum, r) => sum + (r.cachedPromptTokens ?? 0), 0);
  const hits = Math.max(inUsage, conditions?.prefixCacheHitTokens ?? 0);
  const isSaid =
    conditions?.prefixCacheHitTokens !== undefined ||
    records.some((r) => r.cachedPromptTokens !== undefined);
  if (!isSaid) return unknown("the server does not say what it took from a prefix cache");
  const prompts = records.filter(isSuccess).reduce((sum, r) => sum + r.promptTokens, 0);
  const share = prompts === 0 ? 0 : hits / prompts;
  const percent = (share * 100).toFixed(1);
  if (share <= cacheHitLimit) return passed(`${percent} % of prompt tokens came from a cache`);
  return failed(
    `${percent} % of prompt tokens came from the server's prefix cache: TTFT and throughput are those of a warm cache`,
  );
}

function windowLength(
  _records: readonly RequestRecord[],
  { durationMs }: ValidityContext,
): GateResult {
  if (durationMs === undefined) return unknown("the cell's length is not known");
  const seconds = `${(durationMs / 1e3).toFixed(1)} s were measured`;
  return durationMs >= shortMs
    ? passed(seconds)
    : note(`${seconds}: under ${shortMs / 1e3} s one slow moment shows in every figure`);
}

function machine(
  _records: readonly RequestRecord[],
  { conditions, durationMs = 0 }: ValidityContext,
): GateResult {
  const found = conditions?.machine;
  if (found === undefined) return unknown("the system does not say what else it did");
  const { stealShare, throttledMs, busyShare } = found;
  const stolen = `${(stealShare * 100).toFixed(1)} % of processor time was stolen`;
  const throttled = `${throttledMs.toFixed(0)} ms throttled`;
  const numbers = `${stolen}, ${throttled}, ${(busyShare * 100).toFixed(0)} % of all cores busy`;
  const lost = Math.max(stealShare, throttledMs === 0 ? 0 : throttledMs / durationMs);
  if (lost <= lostShare.quiet) return passed(numbers);
  const text = `the machine was not ours alone: ${numbers}`;
  return lost <= lostShare.bearable
    ? note(`${text}; figures may be worse by about that share`)
    : failed(text);
}
