/** Gates that a cell's records must pass before its figures may be used. */
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
}

export interface Validity {
  readonly valid: boolean;
  /** One sentence for each gate that failed, with the numbers. */
  readonly reasons: string[];
}

type Gate = (records: readonly RequestRecord[], context: ValidityContext) => string | undefined;

/** The client may be late by 10 ms, or by 5 % of the median TTFT where that is longer. */
const lagFloorMs = 10;
const lagShareOfTtft = 0.05;
/** Offered and requested rate may differ by this share. */
const rateTolerance = 0.05;
/** A chunk may carry this many tokens on average before its gaps stop being per token. */
const tokensPerChunkLimit = 1.05;

const gates: readonly Gate[] = [
  noRequest,
  failedRequests,
  lateClient,
  wrongOutputLengths,
  wrongPromptLengths,
  manyTokensPerChunk,
  missedRate,
  noWarmup,
];

/** Applies every gate; a cell is valid when none objects. */
export function assessValidity(
  records: readonly RequestRecord[],
  context: ValidityContext,
): Validity {
  const reasons = gates
    .map((gate) => gate(records, context))
    .filter((reason) => reason !== undefined);
  return { valid: reasons.length === 0, reasons };
}

function noRequest(records: readonly RequestRecord[]): string | undefined {
  return records.some(isSuccess) ? undefined : "no request succeeded";
}

function failedRequests(records: readonly RequestRecord[]): string | undefined {
  const failed = records.filter((record) => !isSuccess(record));
  const first = failed[0];
  if (first === undefined) return undefined;
  const why = first.error?.message ?? "it ended without output";
  return `${failed.length} of ${records.length} requests failed; the first: ${why}`;
}

function lateClient(
  records: readonly RequestRecord[],
  context: ValidityContext,
): string | undefined {
  if (context.loop !== "open") return undefined;
  const lagMs = quantile(records.filter(wasSent).map(clientLagMs), 0.99);
  const ttfts = records.filter(isSuccess).map((record) => ttftMs(record) ?? 0);
  const limitMs = Math.max(lagFloorMs, lagShareOfTtft * (quantile(ttfts, 0.5) ?? 0));
  if (lagMs === undefined || lagMs <= limitMs) return undefined;
  return `the load generator was late: p99 of sent minus intended is ${lagMs.toFixed(1)} ms, limit ${limitMs.toFixed(1)} ms`;
}

function wrongOutputLengths(
  records: readonly RequestRecord[],
  context: ValidityContext,
): string | undefined {
  if (!context.ignoreEos) return undefined;
  const successes = records.filter(isSuccess);
  const wrong = successes.filter((r) => r.outputTokens !== r.requestedOutputTokens);
  const first = wrong[0];
  if (first === undefined) return undefined;
  return `${wrong.length} of ${successes.length} answers have another length than requested although EOS is ignored; request ${first.index}: ${first.outputTokens} of ${first.requestedOutputTokens} tokens`;
}

function wrongPromptLengths(
  records: readonly RequestRecord[],
  context: ValidityContext,
): string | undefined {
  const expected = context.exactPromptTokens;
  if (expected === undefined) return undefined;
  const wrong = records.filter(
    (r) => isSuccess(r) && expected.has(r.index) && expected.get(r.index) !== r.promptTokens,
  );
  const first = wrong[0];
  if (first === undefined) return undefined;
  return `the server counted other prompt lengths in ${wrong.length} requests; request ${first.index}: ${first.promptTokens} tokens where ${expected.get(first.index)} were sent`;
}

function manyTokensPerChunk(records: readonly RequestRecord[]): string | undefined {
  const successes = records.filter(isSuccess);
  const tokens = successes.reduce((total, r) => total + r.outputTokens, 0);
  const chunks = successes.reduce((total, r) => total + r.tokenTimesMs.length, 0);
  if (chunks === 0 || tokens / chunks <= tokensPerChunkLimit) return undefined;
  return `a chunk carries ${(tokens / chunks).toFixed(2)} tokens on average, so ITL is per chunk and not per token; read TPOT`;
}

/** The offered rate: what was sent over the time it was to be sent in. Saturation is no fault. */
function missedRate(
  records: readonly RequestRecord[],
  context: ValidityContext,
): string | undefined {
  const requested = context.requestedRate;
  const sent = records.filter(wasSent);
  const lastSentMs = sent.reduce((last, r) => Math.max(last, r.sentMs), 0);
  if (requested === undefined || !Number.isFinite(requested) || lastSentMs === 0) return undefined;
  const offered = (sent.length / lastSentMs) * 1e3;
  if (Math.abs(offered / requested - 1) <= rateTolerance) return undefined;
  return `${requested} requests/s were asked for and ${offered.toPrecision(3)} were sent`;
}

function noWarmup(
  _records: readonly RequestRecord[],
  context: ValidityContext,
): string | undefined {
  return context.warmedUp ? undefined : "no warm-up ran before the measurement";
}
