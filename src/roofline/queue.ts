/** A server of continuous batching as a queue: when each request gets its tokens, by predicted steps. */
import { type MixedStep, partOf } from "./traffic.ts";

export interface QueuedRequest {
  readonly arrivalMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface QueueLimits {
  /** Sequences that run at once. */
  readonly sequences: number;
  /** Tokens of a step: decodes first, then chunks of prompts in what is left. */
  readonly tokens: number;
}

export interface QueueTimes {
  /** From arrival to the first token, in order of arrival. */
  readonly ttftMs: readonly number[];
  /** Times between two tokens of a sequence, all together. */
  readonly gapsMs: readonly number[];
  /** Sequences in the step that a token comes from, mean over tokens. */
  readonly sequences: number;
}

interface Running {
  readonly request: QueuedRequest;
  /** Tokens in the cache. */
  computed: number;
  produced: number;
  lastMs: number;
}

/** A load that takes longer than this many steps is not followed to its end. */
const mostSteps = 200_000;

/**
 * Follows the requests step by step: first come, first served, a prompt in chunks beside the decodes.
 * It knows no network and no client, and a cache that is never full.
 */
export function simulateQueue(
  requests: readonly QueuedRequest[],
  limits: QueueLimits,
  stepMs: (step: MixedStep) => number,
): QueueTimes {
  const waiting = requests.toSorted((a, b) => a.arrivalMs - b.arrivalMs);
  const ttftMs: number[] = [];
  const gapsMs: number[] = [];
  let running: Running[] = [];
  let [nowMs, next, tokens, weighted] = [0, 0, 0, 0];
  for (let steps = 0; steps < mostSteps; steps++) {
    while (running.length < limits.sequences) {
      const request = waiting[next];
      if (request === undefined || request.arrivalMs > nowMs) break;
      running.push({ request, computed: 0, produced: 0, lastMs: request.arrivalMs });
      next++;
    }
    if (running.length === 0) {
      const request = waiting[next];
      if (request === undefined) break;
      nowMs = request.arrivalMs;
      continue;
    }
    const { step, answered } = takeStep(running, limits.tokens);
    nowMs += stepMs(step);
    for (const sequence of answered) {
      (sequence.produced === 0 ? ttftMs : gapsMs).push(nowMs - sequence.lastMs);
      sequence.produced++;
      sequence.lastMs = nowMs;
    }
    tokens += answered.length;
    weighted += answered.length ** 2;
    running = running.filter(({ produced, request }) => produced < request.outputTokens);
  }
  return { ttftMs, gapsMs, sequences: tokens === 0 ? 0 : weighted / tokens };
}

/** Moves the sequences on by one step. @returns what it ran, and who got a token */
function takeStep(
  running: readonly Running[],
  budget: number,
): { readonly step: MixedStep; readonly answered: readonly Running[] } {
  const answered: Running[] = [];
  const sum = { tokens: 0, cachedTokens: 0, attentionPairs: 0 };
  const take = (sequence: Running, rows: number) => {
    sequence.computed += rows;
    const part = partOf(sequence.computed, rows);
    sum.tokens += rows;
    sum.cachedTokens += part.cachedTokens;
    sum.attentionPairs += part.attentionPairs;
    if (sequence.computed >= sequence.request.promptTokens) answered.push(sequence);
  };
  const isDecoding = ({ produced }: Running) => produced > 0;
  for (const sequence of running) if (isDecoding(sequence)) take(sequence, 1);
  for (const sequence of running) {
    const left = budget - sum.tokens;
    if (left <= 0) break;
    if (isDecoding(sequence)) continue;
    take(sequence, Math.min(left, sequence.request.promptTokens - sequence.computed));
  }
  return { step: { ...sum, logitRows: answered.length }, answered };
}
