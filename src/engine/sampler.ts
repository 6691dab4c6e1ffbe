/** Logits to a token: greedy at temperature 0, else one draw of the request's own random stream. */
import type { Random } from "../base/random.ts";
import type { Logits } from "../model/model.ts";
import type { SamplingParams } from "./events.ts";

/** One token takes exactly one number of the stream, so a recomputed sequence goes on unchanged. */
export function sampleToken(
  logits: Logits,
  row: number,
  params: SamplingParams,
  random: Random,
): number {
  if (params.temperature === 0) return logits.argmax(row);
  return logits.sample(row, params, random.uniform());
}

/**
 * Seed of a request that brings none, from the engine's seed and the request's order. The multiplier
 * (2^32 divided by the golden ratio, odd) keeps the streams of neighbouring engine seeds apart.
 */
export function streamSeed(engineSeed: number, order: number): number {
  return (Math.imul(engineSeed, 0x9e3779b1) >>> 0) + order;
}
