/** E3: TTFT, ITL and goodput under an open loop of chat-like requests, from low load to saturation. */
import { arrivalOf } from "../load/arrivals/registry.ts";
import { drawRequests } from "../load/draw.ts";
import type { PromptSettings } from "../load/prompts/prompt-source.ts";
import { promptSourceOf } from "../load/prompts/registry.ts";
import type { LabConfig } from "./config.ts";
import { closedLoopMs, type CostModel } from "./cost.ts";
import type { Experiment, PromptModel } from "./experiment.ts";
import { doneResult, measure } from "./measure.ts";
import { warmupSeed } from "./requests.ts";

type Serving = NonNullable<LabConfig["experiments"]["serving"]>;
type Rate = Serving["requestRates"][number];

const settingOf = (rate: Rate) => `rate-${rate}`;
const toNumber = (rate: Rate) => (rate === "inf" ? Number.POSITIVE_INFINITY : rate);

/** Requests that warm the server up, together, before the first measured one. */
const warmupRequests = 2;
/** Means of ShareGPT's lengths after vLLM's filter; load/prompts/lengths.ts draws around them. */
const meanLengths = { input: 215, output: 199 };
/** Lengths of the random data set, which has none of its own: near ShareGPT's. */
const randomLengths = { input: 256, output: 128 };

function settingsOf(config: LabConfig, setting: string): { settings: Serving; rate: Rate } {
  const settings = config.experiments.serving;
  const rate = settings?.requestRates.find((candidate) => settingOf(candidate) === setting);
  if (settings === undefined || rate === undefined) {
    throw new Error(`serving has no setting "${setting}"`);
  }
  return { settings, rate };
}

function promptSettings(settings: Serving, model: PromptModel): PromptSettings {
  const { lengthScale } = settings;
  const isRandom = settings.dataset === "random";
  return {
    path: settings.path,
    inputLen: Math.max(1, Math.round(randomLengths.input * lengthScale)),
    outputLen: isRandom ? Math.max(1, Math.round(randomLengths.output * lengthScale)) : undefined,
    rangeRatio: 0,
    lengthScale,
    vocabSize: model.vocabSize,
    countTokens: undefined,
  };
}

/** Real answers end where they end; drawn lengths are to be kept. */
function hasDrawnLengths(settings: Serving): boolean {
  return settings.dataset === "lengths" || settings.dataset === "random";
}

/** The longer of the schedule and the work, and an answer's time after the last arrival. */
function predictMs(config: LabConfig, settings: Serving, rate: Rate, cost: CostModel): number {
  const inputLen = Math.max(1, Math.round(meanLengths.input * settings.lengthScale));
  const outputLen = Math.max(1, Math.round(meanLengths.output * settings.lengthScale));
  const work = { requests: settings.numPrompts, inputLen, outputLen };
  const lastMs = closedLoopMs(cost, { ...work, requests: 1, concurrency: 1 });
  const saturatedMs = closedLoopMs(cost, { ...work, concurrency: config.maxNumSeqs });
  const scheduleMs = (settings.numPrompts / toNumber(rate)) * 1e3;
  return Math.max(scheduleMs, saturatedMs) + lastMs * (1 + warmupRequests);
}

export const serving: Experiment = {
  name: "serving",
  title: "E3 serving",
  plan(config, cost) {
    const settings = config.experiments.serving;
    return (settings?.requestRates ?? []).map((rate) => ({
      setting: settingOf(rate),
      predictedMs:
        cost === undefined || settings === undefined ? 0 : predictMs(config, settings, rate, cost),
    }));
  },
  async draw(setting, config, model) {
    const { settings, rate } = settingsOf(config, setting);
    const prompts = promptSourceOf(settings.dataset, promptSettings(settings, model));
    const arrivals = arrivalOf({ requestRate: toNumber(rate), burstiness: 1 });
    const count = settings.numPrompts;
    return {
      warmup: await drawRequests({
        prompts,
        arrivals,
        count: warmupRequests,
        seed: warmupSeed(config),
      }),
      measured: await drawRequests({ prompts, arrivals, count, seed: config.seed }),
    };
  },
  async run(cell, context) {
    const { settings, rate } = settingsOf(context.config, cell.key.setting);
    const measured = await measure(context, {
      mode: { kind: "open", maxConcurrency: settings.maxConcurrency },
      requestRate: toNumber(rate),
      ignoreEos: hasDrawnLengths(settings),
    });
    const { summary } = measured;
    return doneResult(cell, context, measured, {
      ttftMsMedian: summary.ttftMs?.median,
      ttftMsP99: summary.ttftMs?.p99,
      itlMsMedian: summary.itlMs?.median,
      itlMsP99: summary.itlMs?.p99,
      tpotMsMedian: summary.tpotMs?.median,
      e2elMsMedian: summary.e2elMs?.median,
      outputTokensPerSecond: summary.outputTokensPerSecond,
      requestsPerSecond: summary.requestsPerSecond,
      goodputRequestsPerSecond: summary.goodputRequestsPerSecond,
      clientLagMsP99: summary.clientLagMs?.p99,
      completed: summary.completed,
      failed: summary.failed,
    });
  },
};
