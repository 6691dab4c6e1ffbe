/** Which rows may be recommended at all: memory budget, accuracy floor, and the service-level objective. */
import { z } from "zod";
import type { Run } from "../results/run.ts";
import { figureOf, rowsOf, settingsOf, settingTitle } from "./cells.ts";
import { questionsNeeded } from "./detectable.ts";
import { accuracyComparisons } from "./row-accuracy.ts";
import { asText } from "./wording.ts";

/** What a team can afford; every part may be missing. Times in ms, drops as shares. */
export interface Requirements {
  readonly slo?:
    | { readonly ttft?: number | undefined; readonly tpot?: number | undefined }
    | undefined;
  readonly budget?:
    | { readonly memoryGb?: number | undefined; readonly accuracyDrop?: number | undefined }
    | undefined;
  /** Shares of the traffic by kind (objectives.ts); absent kinds count nothing, none given count alike. */
  readonly traffic?: Readonly<Record<string, number>> | undefined;
}

export const requirementsSchema = z.object({
  slo: z.object({ ttft: z.number().optional(), tpot: z.number().optional() }).optional(),
  budget: z
    .object({ memoryGb: z.number().optional(), accuracyDrop: z.number().optional() })
    .optional(),
  traffic: z.record(z.string(), z.number().nonnegative()).optional(),
});

/** As the run's configuration states them, with others over them part by part. */
export function requirementsOf(run: Run, over: Requirements = {}): Requirements {
  const own: Requirements = requirementsSchema.safeParse(run.manifest.config).data ?? {};
  return {
    slo: { ...own.slo, ...over.slo },
    budget: { ...own.budget, ...over.budget },
    traffic: over.traffic ?? own.traffic,
  };
}

export interface Eligibility {
  readonly label: string;
  /** Why the row is out; undefined when it is in. */
  readonly out: string | undefined;
  /** What could still put it out, and what would tell. */
  readonly open: string | undefined;
}

export function eligibilityOf(run: Run, label: string, requirements: Requirements): Eligibility {
  const accuracy = accuracyGate(run, label, requirements);
  return {
    label,
    out: memoryGate(run, label, requirements) ?? sloGate(run, label, requirements) ?? accuracy.out,
    open: accuracy.open,
  };
}

function memoryGate(run: Run, label: string, { budget }: Requirements): string | undefined {
  const place = { experiment: "memory", setting: "loaded", figure: "weightBytes" };
  const bytes =
    figureOf(run, label, place)?.value ?? run.manifest.traffic?.[label]?.weights.totalBytes;
  if (budget?.memoryGb === undefined || bytes === undefined || bytes <= budget.memoryGb * 1e9) {
    return undefined;
  }
  return `${label} is out: its weights take ${asText(bytes / 1e9)} GB, the budget is ${budget.memoryGb} GB.`;
}

/** At the lowest rate, which a format must at least sustain; more traffic than fits has no limit to keep. */
function sloGate(run: Run, label: string, { slo }: Requirements): string | undefined {
  const setting = settingsOf(run, "serving").find((name) => name !== "rate-inf");
  if (setting === undefined || slo === undefined) return undefined;
  const of = (...figures: string[]) =>
    figures
      .map((figure) => figureOf(run, label, { experiment: "serving", setting, figure })?.value)
      .find((value) => value !== undefined);
  const limits = [
    { name: "TTFT", value: of("ttftMsP99", "ttftMsMedian"), limit: slo.ttft },
    { name: "TPOT", value: of("tpotMsMedian", "itlMsMedian"), limit: slo.tpot },
  ];
  for (const { name, value, limit } of limits) {
    if (value !== undefined && limit !== undefined && value > limit) {
      return `${label} is out: ${name} is ${asText(value)} ms at ${settingTitle(setting)}, the limit is ${asText(limit)} ms.`;
    }
  }
  return undefined;
}

/** A loss is paired with the first row on the same questions. */
function accuracyGate(
  run: Run,
  label: string,
  { budget }: Requirements,
): { readonly out: string | undefined; readonly open: string | undefined } {
  const drop = budget?.accuracyDrop;
  const [reference] = rowsOf(run);
  const none = { out: undefined, open: undefined };
  if (drop === undefined || label === reference) return none;
  const allowed = `${asText(100 * drop)} points`;
  const paired = accuracyComparisons(run).find((comparison) => comparison.label === label);
  if (paired !== undefined) {
    const loss = -paired.difference.value;
    if (loss > drop) {
      // Conservative: a floor is kept by what was seen, even where the difference may be chance.
      const chance = paired.differs ? "" : ", which may be chance";
      const lost = `${asText(100 * loss)} points of ${paired.reference}${chance}`;
      return {
        out: `${label} is out: it loses ${lost}; the budget is ${allowed}.`,
        open: undefined,
      };
    }
    if (paired.hiddenLoss <= drop) return none;
    const needed = questionsNeeded(Math.max(drop, 0.005), paired.assumedDisagreement);
    const more = Math.max(1, needed - paired.counts.n);
    return {
      out: undefined,
      open: `A loss of ${label} of up to ${asText(100 * paired.hiddenLoss)} points could have hidden in ${paired.counts.n} questions; the budget is ${allowed}: about ${more} more questions would decide it.`,
    };
  }
  return unpairedGate(run, label, reference ?? "", drop, allowed);
}

function unpairedGate(run: Run, label: string, reference: string, drop: number, allowed: string) {
  const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
  const base = figureOf(run, reference, place)?.value;
  const own = figureOf(run, label, place)?.value;
  if (base === undefined || own === undefined) {
    const open = `Whether ${label} keeps within ${allowed} of ${reference} was not measured.`;
    return { out: undefined, open };
  }
  const lost = asText(100 * (base - own));
  return base - own > drop
    ? {
        out: `${label} is out: it loses ${lost} points, the budget is ${allowed}.`,
        open: undefined,
      }
    : { out: undefined, open: undefined };
}
