/** TTFT and ITL under load, predicted: the run's own requests through a queue of predicted steps. */
import { z } from "zod";
import { Random } from "../base/random.ts";
import {
  type Efficiency,
  floorEfficiency,
  predictDecodeStep,
  predictPrefillStep,
  predictStepMs,
} from "../roofline/predict.ts";
import { type QueuedRequest, type QueueLimits, simulateQueue } from "../roofline/queue.ts";
import { mixedTraffic } from "../roofline/traffic.ts";
import { lengthsOf, settingNumber, settingsOf } from "./cells.ts";
import { mean, median } from "./interval.ts";
import { otherCell, type PredictedCell, type Scene } from "./predicted-cell.ts";

export function servingCells(scene: Scene): PredictedCell[] {
  return settingsOf(scene.run, "serving").flatMap((setting) => {
    const requests = requestsOf(scene, setting);
    if (requests.length === 0) return [];
    const limits = limitsOf(scene);
    const found = queueOf(scene, requests, limits, scene.efficiency);
    const floors = queueOf(scene, requests, limits, floorEfficiency);
    const batch = Math.max(1, Math.round(found.sequences));
    const where = { experiment: "serving", setting, batch } as const;
    const times = (efficiency: Efficiency) => (efficiency === floorEfficiency ? floors : found);
    return [
      ...otherCell(
        scene,
        { ...where, metric: "TTFT", alone: prefillAloneMs(scene, requests) },
        "ttftMsMedian",
        (efficiency) => times(efficiency).ttftMs,
      ),
      ...otherCell(
        scene,
        { ...where, metric: "ITL", alone: stepAloneMs(scene, requests, batch) },
        "itlMsMedian",
        (efficiency) => times(efficiency).itlMs,
      ),
    ];
  });
}

function queueOf(
  { model, ceilings }: Scene,
  requests: readonly QueuedRequest[],
  limits: QueueLimits,
  efficiency: Efficiency,
) {
  const { ttftMs, gapsMs, sequences } = simulateQueue(
    requests,
    limits,
    (step) => predictStepMs(mixedTraffic(model, step), model.operands, ceilings, efficiency).ms,
  );
  // Answers of one token have no gaps.
  return { ttftMs: median(ttftMs), itlMs: median(gapsMs.length > 0 ? gapsMs : [0]), sequences };
}

/** The median request's prompt, with the server to itself. */
function prefillAloneMs(
  { model, ceilings, efficiency }: Scene,
  requests: readonly QueuedRequest[],
) {
  const prompt = Math.round(median(requests.map(({ promptTokens }) => promptTokens)));
  return predictPrefillStep(model, ceilings, prompt, efficiency).ms;
}

/** A step of as many sequences, without prompts in it. */
function stepAloneMs(
  { model, ceilings, efficiency }: Scene,
  requests: readonly QueuedRequest[],
  batch: number,
): number {
  const context = mean(requests.map((r) => r.promptTokens + r.outputTokens / 2));
  return predictDecodeStep(model, ceilings, batch, Math.round(context), efficiency).ms;
}

const totalsSchema = z.looseObject({
  completed: z.number().positive(),
  total_input_tokens: z.number().positive(),
  total_output_tokens: z.number().positive(),
});

/** The frozen requests with the answers' measured length; without them, as many of the mean length. */
function requestsOf({ run, label }: Scene, setting: string): readonly QueuedRequest[] {
  const cell = run.results.find(
    ({ quantlab: { key } }) =>
      key.format === label && key.experiment === "serving" && key.setting === setting,
  );
  const totals = totalsSchema.safeParse(cell).data;
  const planned = run.loads?.[`serving/${setting}`] ?? [];
  if (planned.length > 0) {
    const asked = planned.reduce((sum, { maxTokens }) => sum + maxTokens, 0);
    // An answer may end before its limit.
    const share = totals === undefined ? 1 : Math.min(1, totals.total_output_tokens / asked);
    return planned.map(({ promptTokens, maxTokens, intendedMs }) => ({
      promptTokens,
      outputTokens: Math.max(1, Math.round(share * maxTokens)),
      arrivalMs: intendedMs,
    }));
  }
  const lengths = run.manifest.published === undefined ? undefined : lengthsOf(run, "latency");
  if (totals === undefined && lengths === undefined) return [];
  const count = totals?.completed ?? publishedRequests;
  const promptTokens = totals === undefined ? lengths?.inputLen : totals.total_input_tokens / count;
  const outputTokens =
    totals === undefined ? lengths?.outputLen : totals.total_output_tokens / count;
  const arrivals = poissonMs(count, settingNumber(setting), run.manifest.seed);
  return arrivals.map((arrivalMs) => ({
    arrivalMs,
    promptTokens: Math.max(1, Math.round(promptTokens ?? 1)),
    outputTokens: Math.max(1, Math.round(outputTokens ?? 1)),
  }));
}

/** Requests of a published serving figure. */
const publishedRequests = 200;

function poissonMs(count: number, rate: number, seed: number): number[] {
  const random = new Random(seed);
  let atMs = 0;
  return Array.from({ length: count }, () => {
    if (Number.isFinite(rate)) atMs += (random.exponential() / rate) * 1e3;
    return atMs;
  });
}

const configSchema = z.looseObject({
  target: z.string().optional().catch(undefined),
  maxNumSeqs: z.number().positive().optional().catch(undefined),
});

/** Tokens of a step where a server is not told otherwise: ours, and vLLM's. */
const stepTokens = { embedded: 256, other: 2048 } as const;

function limitsOf({ run }: Scene): QueueLimits {
  const config = configSchema.safeParse(run.manifest.config).data;
  const own = config?.target === "embedded" && run.manifest.published === undefined;
  return {
    sequences: config?.maxNumSeqs ?? 256,
    tokens: own ? stepTokens.embedded : stepTokens.other,
  };
}
