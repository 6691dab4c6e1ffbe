/** E2: time per token at batch 1, one request after another, and the bandwidth that it means. */
import { closed } from "../load/arrivals/closed.ts";
import { drawRequests } from "../load/draw.ts";
import { promptSourceOf } from "../load/prompts/registry.ts";
import { trafficOf } from "../roofline/traffic.ts";
import type { LabConfig } from "./config.ts";
import { closedLoopMs, type CostModel } from "./cost.ts";
import type { Experiment } from "./experiment.ts";
import { doneResult, measure } from "./measure.ts";
import { fixedLengths, warmupSeed } from "./requests.ts";

type Latency = NonNullable<LabConfig["experiments"]["latency"]>;

const setting = "batch-1";

function settingsOf(config: LabConfig): Latency {
  const settings = config.experiments.latency;
  if (settings === undefined) throw new Error("the configuration has no latency experiment");
  return settings;
}

/** Bytes that one decode step reads, at the mean context of the measured steps. */
function bytesPerToken({ inputLen, outputLen }: Latency, cost: CostModel): number {
  const contextLength = inputLen + outputLen / 2;
  return trafficOf(cost.traffic, { batch: 1, contextLength, newTokensPerSequence: 1 }).bytes;
}

export const latency: Experiment = {
  name: "latency",
  title: "E2 decode latency",
  plan(config, cost) {
    const settings = config.experiments.latency;
    if (settings === undefined) return [];
    const { iterations, warmupIterations, inputLen, outputLen } = settings;
    const requests = iterations + warmupIterations;
    const predictedMs =
      cost === undefined
        ? 0
        : closedLoopMs(cost, { requests, concurrency: 1, inputLen, outputLen });
    return [{ setting, predictedMs }];
  },
  async draw(_setting, config, model) {
    const { inputLen, outputLen, iterations, warmupIterations } = settingsOf(config);
    const prompts = promptSourceOf("random", fixedLengths(inputLen, outputLen, model));
    const arrivals = closed(1);
    return {
      warmup: await drawRequests({
        prompts,
        arrivals,
        count: warmupIterations,
        seed: warmupSeed(config),
      }),
      measured: await drawRequests({ prompts, arrivals, count: iterations, seed: config.seed }),
    };
  },
  async run(cell, context) {
    const measured = await measure(context, {
      mode: { kind: "closed", concurrency: 1 },
      requestRate: Number.POSITIVE_INFINITY,
      ignoreEos: true,
    });
    const { itlMs, tpotMs, ttftMs, completed, totalOutputTokens } = measured.summary;
    const bytes =
      context.cost === undefined
        ? undefined
        : bytesPerToken(settingsOf(context.config), context.cost);
    return doneResult(cell, context, measured, {
      // Of whole answers: two tokens that share a read have no time between them.
      msPerTokenMedian: tpotMs?.median,
      msPerTokenP90: itlMs?.p90,
      msPerTokenP99: itlMs?.p99,
      ttftMsMedian: ttftMs?.median,
      // Decode alone: the rate at which a reader sees tokens once the first is there.
      outputTokensPerSecond: tpotMs === undefined ? undefined : 1e3 / tpotMs.median,
      bytesPerToken: bytes,
      achievedBytesPerSecond:
        bytes === undefined || tpotMs === undefined ? undefined : (bytes / tpotMs.median) * 1e3,
      iterations: completed,
      tokens: totalOutputTokens,
    });
  },
};
