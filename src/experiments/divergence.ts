/** E4, the sensitive part: how far a row's distributions are from the first row's on the same text. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { runQuantlab } from "../targets/quantlab-process.ts";
import { accuracyModel, accuracySkip, isAccuracyApart } from "./accuracy-plan.ts";
import type { LabConfig } from "./config.ts";
import type { CostModel } from "./cost.ts";
import type { CellContext, Experiment } from "./experiment.ts";
import { defined } from "./measure.ts";

const elsewhere = "divergence needs the logits of our own engine";
/** Node and two models loaded. */
const bootMs = 1_500;

const intervalSchema = z.looseObject({ value: z.number() });
const summarySchema = z.looseObject({
  tokens: z.number(),
  windows: z.number(),
  perplexity: intervalSchema,
  perplexityRatio: intervalSchema,
  klMean: intervalSchema,
  klMedian: intervalSchema,
  klP99: intervalSchema,
  klMax: z.number(),
  topAgreement: intervalSchema,
  probabilityChange: intervalSchema,
});
const outputSchema = z.looseObject({ rows: z.array(z.looseObject({ summary: summarySchema })) });

export const divergence: Experiment = {
  name: "divergence",
  title: "E4 divergence",
  plan(config, cost) {
    const settings = config.experiments.divergence;
    if (settings === undefined) return [];
    const skip = accuracySkip(config) ?? (isAccuracyApart(config) ? undefined : elsewhere);
    const predictedMs = skip === undefined ? predictMs(settings.tokens, cost) : 0;
    return [{ setting: "text", predictedMs, skip }];
  },
  draw: async () => undefined,
  async run(cell, context) {
    const startedWallMs = context.clock.wallMs();
    const startMs = context.clock.nowMs();
    context.onProgress(0, "both models over the same text");
    const text = await runQuantlab(argumentsOf(context, cell.key.format), context.signal);
    const parsed = outputSchema.safeParse(JSON.parse(text));
    const summary = parsed.data?.rows[0]?.summary;
    if (summary === undefined) {
      throw new QuantlabError("target-failed", `eval divergence said ${text.slice(0, 200)}`);
    }
    return {
      quantlab: {
        key: cell.key,
        status: "done",
        startedAt: new Date(startedWallMs).toISOString(),
        durationMs: context.clock.nowMs() - startMs,
        validity: { valid: true, reasons: [] },
        figures: defined({
          perplexity: summary.perplexity.value,
          perplexityRatio: summary.perplexityRatio.value,
          klMeanNats: summary.klMean.value,
          klMedianNats: summary.klMedian.value,
          klP99Nats: summary.klP99.value,
          klMaxNats: summary.klMax,
          topAgreement: summary.topAgreement.value,
          probabilityChange: summary.probabilityChange.value,
          tokens: summary.tokens,
        }),
        predictedMs: cell.predictedMs,
        divergence: summary,
        served: context.served,
      },
    };
  },
};

/** Two rows' prefill of the text, one window after another. */
function predictMs(tokens: number, cost: CostModel | undefined): number {
  return cost === undefined ? 0 : bootMs + 2 * cost.prefillMs(tokens);
}

function argumentsOf({ config, served, folder }: CellContext, label: string): string[] {
  const kernel = config.formats.find((entry) => entry.label === label)?.kernel;
  const { tokens, window } = settingsOf(config);
  const reference = config.formats[0]?.format ?? served.format;
  const row = served.isReadyCheckpoint
    ? ["--checkpoints", served.model]
    : ["--formats", served.format];
  return [
    ...["eval", "divergence", "--json", "--model", accuracyModel(config) ?? config.model],
    ...["--reference", reference, ...row],
    ...["--tokens", String(tokens), "--window", String(window), "--output-path", folder],
    ...(kernel === undefined ? [] : ["--kernel", kernel]),
    ...(config.lmHead === undefined ? [] : ["--lm-head", config.lmHead]),
    ...(config.kvCacheDtype === undefined ? [] : ["--kv-cache-dtype", config.kvCacheDtype]),
    ...(config.threads === undefined ? [] : ["--threads", String(config.threads)]),
  ];
}

function settingsOf(config: LabConfig): NonNullable<LabConfig["experiments"]["divergence"]> {
  const { divergence: settings } = config.experiments;
  if (settings === undefined) throw new Error("divergence was not asked for");
  return settings;
}
