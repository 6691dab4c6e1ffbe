/** Logits to a token: greedy at temperature 0, else one draw of the request's own random stream. */
import type { Logits } from "../model/model.ts";
import type { LogitChanges, TokenLogprobs } from "./events.ts";
import { logprobsOf } from "./logprobs.ts";
import type { Sequence } from "./sequence.ts";

export interface Sampled {
  readonly tokenId: number;
  readonly logprobs: TokenLogprobs | undefined;
}

/**
 * One token takes exactly one number of the stream, so a recomputed sequence goes on unchanged.
 * Logits are copied out of native memory only for requests that change them or ask for them.
 */
export function sampleToken(
  logits: Logits,
  row: number,
  sequence: Sequence,
  eosTokenIds: ReadonlySet<number>,
): Sampled {
  const { changes, logprobs } = sequence.params;
  const banned = bannedTokens(sequence, eosTokenIds);
  if (changes === undefined && logprobs === undefined && banned.length === 0) {
    return { tokenId: choose(logits, row, sequence), logprobs: undefined };
  }
  const original = logits.read(row);
  if (changes !== undefined || banned.length > 0) {
    const changed = Float32Array.from(original);
    if (changes !== undefined) changeLogits(changed, changes, sequence);
    for (const id of banned) changed[id] = Number.NEGATIVE_INFINITY;
    logits.write(row, changed);
  }
  const tokenId = choose(logits, row, sequence);
  return {
    tokenId,
    logprobs: logprobs === undefined ? undefined : logprobsOf(original, tokenId, logprobs),
  };
}

function choose(logits: Logits, row: number, { params, random }: Sequence): number {
  if (params.temperature === 0) return logits.argmax(row);
  return logits.sample(row, params, random.uniform());
}

/** Before minTokens nothing that would end the text may be drawn. */
function bannedTokens(sequence: Sequence, eosTokenIds: ReadonlySet<number>): readonly number[] {
  const { minTokens, ignoreEos, stopTokenIds } = sequence.params;
  // The token to be drawn is number generated + 1, and may be the last only from minTokens on.
  if (sequence.generated + 1 >= minTokens) return [];
  return ignoreEos ? stopTokenIds : [...eosTokenIds, ...stopTokenIds];
}

/** Bias, then penalties, then min-p: the order in which vLLM applies them. */
function changeLogits(row: Float32Array, changes: LogitChanges, sequence: Sequence): void {
  for (const [id, bias] of changes.bias) row[id] = (row[id] as number) + bias;
  if (changes.repetitionPenalty !== 1) {
    for (const id of new Set(sequence.tokenIds)) {
      const logit = row[id] as number;
      const { repetitionPenalty } = changes;
      row[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
  if (changes.frequencyPenalty !== 0 || changes.presencePenalty !== 0) {
    for (const [id, count] of countsOf(sequence.tokenIds, sequence.promptLength)) {
      const penalty = changes.frequencyPenalty * count + changes.presencePenalty;
      row[id] = (row[id] as number) - penalty;
    }
  }
  if (changes.minP > 0) dropUnlikely(row, changes.minP, sequence.params.temperature);
}

function countsOf(tokenIds: readonly number[], from: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = from; i < tokenIds.length; i++) {
    const id = tokenIds[i] as number;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** p >= minP * max p, said of logits: probabilities are those at the request's temperature. */
function dropUnlikely(row: Float32Array, minP: number, temperature: number): void {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of row) if (logit > max) max = logit;
  const least = max + temperature * Math.log(minP);
  for (let id = 0; id < row.length; id++) {
    if ((row[id] as number) < least) row[id] = Number.NEGATIVE_INFINITY;
  }
}

/**
 * Seed of a request that brings none, from the engine's seed and the request's order. The multiplier
 * (2^32 divided by the golden ratio, odd) keeps the streams of neighbouring engine seeds apart.
 */
export function streamSeed(engineSeed: number, order: number): number {
  return (Math.imul(engineSeed, 0x9e3779b1) >>> 0) + order;
}
