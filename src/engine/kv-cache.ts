/** How many blocks the KV cache gets: what the load could fill, within a share of free memory. */
import { QuantlabError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";

export interface KvCacheDemand {
  /** Keys and values of all layers. */
  readonly bytesPerToken: number;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly maxModelLen: number;
  /** As asked for; undefined leaves the choice to us. */
  readonly requestedBytes: number | undefined;
  /** Free once the weights are loaded, in this process's cgroup. */
  readonly availableBytes: number;
}

/**
 * Share of free memory that an unasked-for cache may take; the rest stays for activations, for
 * the HTTP side and for whoever else is on the machine.
 */
export const automaticShare = 0.5;

/**
 * Blocks of the cache: as many as maxNumSeqs sequences of maxModelLen fill, or what fits the budget.
 * @throws out-of-memory when not even one sequence of maxModelLen fits
 */
export function chooseBlocks(demand: KvCacheDemand): number {
  const { bytesPerToken, blockSize, maxNumSeqs, maxModelLen, requestedBytes } = demand;
  const perSequence = Math.ceil(maxModelLen / blockSize);
  const budget = requestedBytes ?? demand.availableBytes * automaticShare;
  const affordable = Math.floor(budget / (bytesPerToken * blockSize));
  if (affordable < perSequence) {
    const needed = formatBytes(perSequence * blockSize * bytesPerToken);
    const source = requestedBytes === undefined ? "half of the free memory" : "--kv-cache-memory";
    throw new QuantlabError(
      "out-of-memory",
      `one sequence of ${maxModelLen} tokens needs ${needed} of KV cache, but ${source} is ${formatBytes(Math.floor(budget))}`,
      { hint: "lower --max-model-len, or give more with --kv-cache-memory" },
    );
  }
  // What was asked for is taken whole: it may serve more than is needed, and that was the wish.
  return requestedBytes === undefined ? Math.min(affordable, perSequence * maxNumSeqs) : affordable;
}
