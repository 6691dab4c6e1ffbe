/** E5: what the server holds in memory after everything else of its block has run on it. */
import { z } from "zod";
import type { Experiment } from "./experiment.ts";
import { defined } from "./measure.ts";

/** What of a quantlab server's own facts this experiment reads beside the target's. */
const rawSchema = z.looseObject({
  memory: z.looseObject({ residentBytes: z.number() }).optional(),
  loadMs: z.number(),
});
/** What vLLM's log adds (targets/vllm/facts.ts). */
const cacheSchema = z.looseObject({ kvCacheTokens: z.number() });

/** One question over HTTP. */
const predictedMs = 50;

export const memory: Experiment = {
  name: "memory",
  title: "E5 memory",
  plan: (config) =>
    config.experiments.memory === undefined ? [] : [{ setting: "loaded", predictedMs }],
  draw: async () => undefined,
  async run(cell, context) {
    const startedWallMs = context.clock.wallMs();
    const startMs = context.clock.nowMs();
    const facts = await context.target.facts();
    const raw = rawSchema.safeParse(facts.raw).data;
    const parameters = context.cost?.traffic.parameters;
    const { weightBytes } = facts;
    const figures = defined({
      weightBytes,
      linearBitsPerWeight: facts.bitsPerWeight,
      kvCacheBytes: facts.kvCacheBytes,
      kvCacheTokens: cacheSchema.safeParse(facts.raw).data?.kvCacheTokens,
      kvBytesPerToken: facts.kvBytesPerToken,
      residentBytes: raw?.memory?.residentBytes,
      peakResidentBytes: facts.peakMemoryBytes,
      bytesPerParameter:
        weightBytes !== undefined && parameters !== undefined
          ? weightBytes / parameters
          : undefined,
      loadMs: raw?.loadMs,
    });
    // A server may keep its weights to itself and still say what its cache takes.
    const isKnown = [weightBytes, facts.kvCacheBytes, facts.peakMemoryBytes].some(
      (bytes) => bytes !== undefined,
    );
    return {
      quantlab: {
        key: cell.key,
        status: isKnown ? "done" : "skipped",
        ...(isKnown ? {} : { reason: "this server does not say what it holds in memory" }),
        startedAt: new Date(startedWallMs).toISOString(),
        durationMs: context.clock.nowMs() - startMs,
        validity: { valid: true, reasons: [] },
        figures,
        facts: { ...facts },
      },
    };
  },
};
