/** What rows are ranked by: one figure for each kind of traffic that a run measured. */
import type { Run } from "../results/run.ts";
import {
  evidenceOf,
  type FigurePlace,
  figureOf,
  pairsOf,
  quantity,
  settingsOf,
  settingTitle,
} from "./cells.ts";
import type { Finding } from "./finding.ts";
import { type Interval, pairedRatio } from "./interval.ts";
import { asRatio } from "./wording.ts";

/** Kinds of traffic: one user, as large a batch as possible, a low rate of requests, more than fit. */
export const trafficKinds = ["single", "batch", "low", "saturated"] as const;
export type TrafficKind = (typeof trafficKinds)[number];

export interface Objective {
  readonly id: string;
  readonly title: string;
  /** Undefined for what stands beside the answer without a say in it. */
  readonly traffic: TrafficKind | undefined;
  readonly place: FigurePlace;
  readonly better: "higher" | "lower";
}

export interface Ranked {
  readonly objective: Objective;
  readonly best: string;
  readonly second: string;
  readonly clear: boolean;
  readonly finding: Finding;
}

/** One run a cell cannot tell smaller differences apart: repeats here differ by a few per cent. */
const smallestClearRatio = 1.05;

export function isClear({ value, low }: Interval): boolean {
  return low === undefined ? value >= smallestClearRatio : low > 1;
}

export function objectivesOf(run: Run): Objective[] {
  return [
    {
      id: "latency",
      title: "one user (time per token at batch 1)",
      traffic: "single",
      place: { experiment: "latency", setting: "batch-1", figure: "msPerTokenMedian" },
      better: "lower",
    },
    ...batchObjective(run),
    ...servingObjectives(run),
    {
      id: "memory",
      title: "memory (weights as loaded)",
      traffic: undefined,
      place: { experiment: "memory", setting: "loaded", figure: "weightBytes" },
      better: "lower",
    },
  ];
}

function batchObjective(run: Run): Objective[] {
  const largest = settingsOf(run, "throughput").at(-1);
  if (largest === undefined) return [];
  const figure = largest.startsWith("batch-") ? "outputTokensPerSecond" : "offlineTokensPerSecond";
  return [
    {
      id: "throughput",
      title: `many users (tokens per second, ${settingTitle(largest)})`,
      traffic: "batch",
      place: { experiment: "throughput", setting: largest, figure },
      better: "higher",
    },
  ];
}

/** The lowest and the highest rate; where there is one rate, it is the low one. */
function servingObjectives(run: Run): Objective[] {
  const rates = settingsOf(run, "serving");
  const shown = [...new Set([rates[0], rates.at(-1)])].filter((rate) => rate !== undefined);
  return shown.flatMap((setting, index): Objective[] => {
    const when = setting === "rate-inf" ? "when saturated" : `at ${settingTitle(setting)}`;
    const traffic = index === 0 && setting !== "rate-inf" ? "low" : "saturated";
    const place = (figure: string) => ({ experiment: "serving", setting, figure });
    return [
      {
        id: `ttft/${setting}`,
        title: `the first token ${when} (TTFT)`,
        traffic,
        place: place("ttftMsMedian"),
        better: "lower",
      },
      {
        id: `itl/${setting}`,
        title: `the stream ${when} (ITL)`,
        traffic,
        place: place("itlMsMedian"),
        better: "lower",
      },
    ];
  });
}

/** Cells that failed a validity gate do not decide anything. */
export function isUsable(run: Run, label: string, place: FigurePlace): boolean {
  const value = figureOf(run, label, place)?.value;
  if (value === undefined || !(value > 0)) return false;
  return run.results.every(({ quantlab: { key, validity } }) => {
    const here =
      key.format === label && key.experiment === place.experiment && key.setting === place.setting;
    return !here || validity.valid;
  });
}

/** Best and runner-up of one objective; undefined when fewer than two rows were measured. */
export function rank(run: Run, rows: readonly string[], objective: Objective): Ranked | undefined {
  const { place, better } = objective;
  const measured = rows.flatMap((label) => {
    const value = isUsable(run, label, place) ? figureOf(run, label, place) : undefined;
    return value === undefined ? [] : [{ label, value }];
  });
  const sign = better === "lower" ? 1 : -1;
  measured.sort((a, b) => sign * (a.value.value - b.value.value));
  const [first, next] = measured;
  if (first === undefined || next === undefined) return undefined;
  const ratio = advantage(run, first.label, next.label, objective);
  const clear = isClear(ratio) || place.experiment === "memory";
  const evidenceFor = (label: string) => evidenceOf(run, label, place);
  const finding: Finding = {
    id: `best/${objective.id}`,
    claim: clear
      ? `Best for ${objective.title}: ${first.label}, ${asRatio(ratio)} better than ${next.label}.`
      : `Undecided for ${objective.title}: ${first.label} leads ${next.label} by ${asRatio(ratio)}, ${ratio.n < 2 ? "and one run a cell does not tell differences below 5 % apart" : "and the interval includes no difference"}.`,
    verdict: clear ? "yes" : "undecided",
    numbers: Object.fromEntries(
      [first, next].map(({ label, value }) => [
        label,
        quantity(value, unitOf(place), 1, undefined, evidenceFor(label)),
      ]),
    ),
    evidence: [first, next].flatMap(({ label }) => evidenceFor(label)),
  };
  return { objective, best: first.label, second: next.label, clear, finding };
}

/** How many times better the first is, paired by repeat. */
export function advantage(
  run: Run,
  first: string,
  next: string,
  { place, better }: Pick<Objective, "place" | "better">,
): Interval {
  const { a, b } = pairsOf(run, first, next, place);
  if (a.length > 0) return better === "lower" ? pairedRatio(b, a) : pairedRatio(a, b);
  const [x, y] = [figureOf(run, first, place)?.value ?? 1, figureOf(run, next, place)?.value ?? 1];
  return { value: better === "lower" ? y / x : x / y, n: 1, low: undefined, high: undefined };
}

function unitOf({ figure }: FigurePlace): string {
  if (figure.endsWith("Bytes")) return "B";
  return figure.includes("Ms") || figure.startsWith("ms") ? "ms" : "tok/s";
}
