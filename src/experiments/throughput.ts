/** E1: output tokens per second at fixed batch sizes, a closed loop of requests of equal length. */
import { closed } from "../load/arrivals/closed.ts";
import { drawRequests } from "../load/draw.ts";
import { promptSourceOf } from "../load/prompts/registry.ts";
import type { LabConfig } from "./config.ts";
import { type CostModel, closedLoopMs } from "./cost.ts";
import type { CellRequests, Experiment, PromptModel } from "./experiment.ts";
import { doneResult, measure } from "./measure.ts";
import { fixedLengths, warmupSeed } from "./requests.ts";

type Throughput = NonNullable<LabConfig["experiments"]["throughput"]>;

/** Name of the setting of a batch size. */
export const settingOf = (batchSize: number) => `batch-${batchSize}`;

/** Tokens of a warm-up answer: enough for prefill and decode steps of the cell's batch to have run. */
const warmupOutputLen = 4;
/** A batch need not be full to have touched every weight and buffer. */
const warmupRequests = 8;

function settingsOf(
  config: LabConfig,
  setting: string,
): { settings: Throughput; batchSize: number } {
  const settings = config.experiments.throughput;
  const batchSize = settings?.batchSizes.find((size) => settingOf(size) === setting);
  if (settings === undefined || batchSize === undefined) {
    throw new Error(`throughput has no setting "${setting}"`);
  }
  return { settings, batchSize };
}

function predictMs(settings: Throughput, batchSize: number, cost: CostModel): number {
  const { inputLen, outputLen, rounds } = settings;
  const warmup = Math.min(batchSize, warmupRequests);
  return (
    closedLoopMs(cost, {
      requests: warmup,
      concurrency: warmup,
      inputLen,
      outputLen: warmupOutputLen,
    }) +
    closedLoopMs(cost, {
      requests: batchSize * rounds,
      concurrency: batchSize,
      inputLen,
      outputLen,
    })
  );
}

async function draw(setting: string, config: LabConfig, model: PromptModel): Promise<CellRequests> {
  const { settings, batchSize } = settingsOf(config, setting);
  const { inputLen, outputLen, rounds } = settings;
  const arrivals = closed(batchSize);
  return {
    warmup: await drawRequests({
      prompts: promptSourceOf("random", fixedLengths(inputLen, warmupOutputLen, model)),
      arrivals,
      count: Math.min(batchSize, warmupRequests),
      seed: warmupSeed(config),
    }),
    measured: await drawRequests({
      prompts: promptSourceOf("random", fixedLengths(inputLen, outputLen, model)),
      arrivals,
      count: batchSize * rounds,
      seed: config.seed,
    }),
  };
}

export const throughput: Experiment = {
  name: "throughput",
  title: "E1 throughput",
  plan(config, cost) {
    const settings = config.experiments.throughput;
    return (settings?.batchSizes ?? []).map((batchSize) => ({
      setting: settingOf(batchSize),
      predictedMs:
        cost === undefined || settings === undefined ? 0 : predictMs(settings, batchSize, cost),
    }));
  },
  draw,
  async run(cell, context) {
    const { batchSize } = settingsOf(context.config, cell.key.setting);
    const measured = await measure(context, {
      mode: { kind: "closed", concurrency: batchSize },
      requestRate: Number.POSITIVE_INFINITY,
      ignoreEos: true,
    });
    const { summary } = measured;
    return doneResult(cell, context, measured, {
      outputTokensPerSecond: summary.outputTokensPerSecond,
      totalTokensPerSecond: summary.totalTokensPerSecond,
      requestsPerSecond: summary.requestsPerSecond,
      durationMs: summary.durationMs,
      msPerTokenMedian: summary.tpotMs?.median,
      ttftMsMedian: summary.ttftMs?.median,
      completed: summary.completed,
      failed: summary.failed,
    });
  },
};
