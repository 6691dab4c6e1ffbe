/** Log-probabilities of one row of logits: the token's own, its rank, and the most likely tokens. */
import type { TokenLogprobs } from "./events.ts";

/**
 * @param row logits as the model gave them
 * @param top how many of the most likely tokens to list; the lower id is first in a tie
 */
export function logprobsOf(row: Float32Array, tokenId: number, top: number): TokenLogprobs {
  const normalizer = logSumExp(row);
  const own = row[tokenId] ?? Number.NaN;
  let rank = 1;
  for (const logit of row) if (logit > own) rank++;
  return {
    logprob: own - normalizer,
    rank,
    top: highest(row, top).map((id) => [id, (row[id] as number) - normalizer] as const),
  };
}

/** In double precision: the sum has as many terms as the vocabulary. */
export function logSumExp(row: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of row) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - max);
  return max + Math.log(sum);
}

/** Ids of the `count` highest values; one pass, since nearly every value is below the least kept. */
function highest(row: Float32Array, count: number): number[] {
  const ids: number[] = [];
  if (count === 0) return ids;
  let least = Number.NEGATIVE_INFINITY;
  row.forEach((value, id) => {
    if (ids.length === count && value <= least) return;
    let at = ids.length;
    while (at > 0 && (row[ids[at - 1] as number] as number) < value) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
    least = row[ids.at(-1) as number] as number;
  });
  return ids;
}
