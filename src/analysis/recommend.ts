/** From a run's figures to one answer: the best row for each objective, and what would change it. */
import { z } from "zod";
import type { Run } from "../results/run.ts";
import {
  evidenceOf,
  type FigurePlace,
  figureOf,
  pairsOf,
  quantity,
  rowsOf,
  settingsOf,
  settingTitle,
} from "./cells.ts";
import { crossoverText } from "./crossover-text.ts";
import type { RowCrossover } from "./crossovers.ts";
import type { Finding } from "./finding.ts";
import { type Interval, pairedRatio } from "./interval.ts";
import { asRatio, asText } from "./wording.ts";

export interface Recommendation {
  /** The row to serve; undefined when the objectives disagree or nothing was measured. */
  readonly label: string | undefined;
  readonly verdict: "yes" | "undecided";
  readonly answer: string;
  /** Best row by objective, with margin and runner-up. */
  readonly objectives: readonly Finding[];
  /** What the answer leaves out. */
  readonly caveats: readonly string[];
  /** What would change it. */
  readonly flips: readonly string[];
}

interface Objective {
  readonly id: string;
  readonly title: string;
  readonly place: FigurePlace;
  readonly better: "higher" | "lower";
  /** Whether it has a say in the answer, or only stands beside it. */
  readonly decides: boolean;
}

/** One run a cell cannot tell smaller differences apart: repeats here differ by a few per cent. */
const smallestClearRatio = 1.05;

export function recommend(run: Run, crossovers: readonly RowCrossover[]): Recommendation {
  const rows = rowsOf(run).filter((label) => breaksBudget(run, label) === undefined);
  const excluded = rowsOf(run).flatMap((label) => breaksBudget(run, label) ?? []);
  const ranked = objectivesOf(run).flatMap((objective) => rank(run, rows, objective) ?? []);
  const deciding = ranked.filter(({ objective }) => objective.decides);
  const winners = [...new Set(deciding.map(({ best }) => best))];
  const [only] = winners;
  const label = winners.length === 1 && rows.length > 1 ? only : undefined;
  const certain = deciding.length > 0 && deciding.every(({ clear }) => clear);
  return {
    label,
    verdict: label !== undefined && certain ? "yes" : "undecided",
    answer: answerOf(label, certain, deciding),
    objectives: ranked.map((entry) => entry.finding),
    caveats: [...excluded, ...caveatsOf(run)],
    flips: crossovers
      .filter(({ metric }) => metric === "throughput")
      .flatMap((crossover) => flipOf(crossover) ?? []),
  };
}

function objectivesOf(run: Run): Objective[] {
  const largest = settingsOf(run, "throughput").at(-1);
  const rates = settingsOf(run, "serving");
  const serving = [...new Set([rates[0], rates.at(-1)])].filter((rate) => rate !== undefined);
  const objectives: Objective[] = [
    {
      id: "latency",
      title: "one user (time per token at batch 1)",
      place: { experiment: "latency", setting: "batch-1", figure: "msPerTokenMedian" },
      better: "lower",
      decides: true,
    },
  ];
  if (largest !== undefined) {
    const figure = largest.startsWith("batch-")
      ? "outputTokensPerSecond"
      : "offlineTokensPerSecond";
    objectives.push({
      id: "throughput",
      title: `many users (tokens per second, ${settingTitle(largest)})`,
      place: { experiment: "throughput", setting: largest, figure },
      better: "higher",
      decides: true,
    });
  }
  for (const setting of serving) {
    objectives.push({
      id: `ttft/${setting}`,
      title: `the first token ${atRate(setting)} (TTFT)`,
      place: { experiment: "serving", setting, figure: "ttftMsMedian" },
      better: "lower",
      decides: true,
    });
    objectives.push({
      id: `itl/${setting}`,
      title: `the stream ${atRate(setting)} (ITL)`,
      place: { experiment: "serving", setting, figure: "itlMsMedian" },
      better: "lower",
      decides: true,
    });
  }
  objectives.push({
    id: "memory",
    title: "memory (weights as loaded)",
    place: { experiment: "memory", setting: "loaded", figure: "weightBytes" },
    better: "lower",
    decides: false,
  });
  return objectives;
}

function atRate(setting: string): string {
  return setting === "rate-inf" ? "when saturated" : `at ${settingTitle(setting)}`;
}

interface Ranked {
  readonly objective: Objective;
  readonly best: string;
  readonly second: string;
  readonly clear: boolean;
  readonly finding: Finding;
}

/** Best and runner-up of one objective; undefined when fewer than two rows were measured. */
function rank(run: Run, rows: readonly string[], objective: Objective): Ranked | undefined {
  const { place, better } = objective;
  const measured = rows.flatMap((label) => {
    const value = usable(run, label, place) ? figureOf(run, label, place) : undefined;
    return value === undefined || value.value <= 0 ? [] : [{ label, value }];
  });
  const sign = better === "lower" ? 1 : -1;
  measured.sort((a, b) => sign * (a.value.value - b.value.value));
  const [first, next] = measured;
  if (first === undefined || next === undefined) return undefined;
  const ratio = advantage(run, first.label, next.label, objective);
  const clear = isClear(ratio) || place.experiment === "memory";
  const finding: Finding = {
    id: `best/${objective.id}`,
    claim: clear
      ? `Best for ${objective.title}: ${first.label}, ${asRatio(ratio)} better than ${next.label}.`
      : `Undecided for ${objective.title}: ${first.label} leads ${next.label} by ${asRatio(ratio)}, ${ratio.n < 2 ? "and one run a cell does not tell differences below 5 % apart" : "and the interval includes no difference"}.`,
    verdict: clear ? "yes" : "undecided",
    numbers: {
      [first.label]: quantity(first.value, unitOf(place)),
      [next.label]: quantity(next.value, unitOf(place)),
    },
    evidence: [first, next].flatMap(({ label }) => evidenceOf(run, label, place)),
  };
  return { objective, best: first.label, second: next.label, clear, finding };
}

/** Cells that failed a validity gate do not decide anything. */
function usable(run: Run, label: string, place: FigurePlace): boolean {
  return run.results.every(({ quantlab: { key, validity } }) => {
    const here =
      key.format === label && key.experiment === place.experiment && key.setting === place.setting;
    return !here || validity.valid;
  });
}

/** How many times better the first is: above 1 by construction. */
function advantage(run: Run, first: string, next: string, { place, better }: Objective): Interval {
  const { a, b } = pairsOf(run, first, next, place);
  if (a.length > 0) return better === "lower" ? pairedRatio(b, a) : pairedRatio(a, b);
  const [x, y] = [figureOf(run, first, place)?.value ?? 1, figureOf(run, next, place)?.value ?? 1];
  return { value: better === "lower" ? y / x : x / y, n: 1, low: undefined, high: undefined };
}

function isClear({ value, low }: Interval): boolean {
  return low === undefined ? value >= smallestClearRatio : low > 1;
}

function unitOf({ figure }: FigurePlace): string {
  if (figure.endsWith("Bytes")) return "B";
  return figure.includes("Ms") || figure.startsWith("ms") ? "ms" : "tok/s";
}

const budgetSchema = z.object({
  budget: z
    .object({ memoryGb: z.number().optional(), accuracyDrop: z.number().optional() })
    .optional(),
});

/** Why a row is out of the budget of the configuration; undefined when it is not. */
export function breaksBudget(run: Run, label: string): string | undefined {
  const budget = budgetSchema.safeParse(run.manifest.config).data?.budget;
  const memory = { experiment: "memory", setting: "loaded", figure: "weightBytes" };
  const bytes = figureOf(run, label, memory)?.value;
  if (budget?.memoryGb !== undefined && bytes !== undefined && bytes > budget.memoryGb * 1e9) {
    return `${label} is out: its weights take ${asText(bytes / 1e9)} GB, the budget is ${budget.memoryGb} GB.`;
  }
  const accuracy = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
  const [reference] = rowsOf(run);
  const base = figureOf(run, reference ?? "", accuracy)?.value;
  const own = figureOf(run, label, accuracy)?.value;
  if (budget?.accuracyDrop === undefined || base === undefined || own === undefined) {
    return undefined;
  }
  return base - own > budget.accuracyDrop
    ? `${label} is out: it loses ${asText(100 * (base - own))} points, the budget is ${asText(100 * budget.accuracyDrop)}.`
    : undefined;
}

function answerOf(
  label: string | undefined,
  certain: boolean,
  deciding: readonly Ranked[],
): string {
  if (deciding.length === 0) {
    return "Undecided: fewer than two formats have valid figures for the same cell.";
  }
  if (label !== undefined) {
    return certain
      ? `Serve ${label}: it is best for every measured objective.`
      : `${label} leads for every measured objective, but not always by more than the noise.`;
  }
  const parts = deciding
    .map(({ best }) => best)
    .filter(unique)
    .map((row) => {
      const titles = deciding
        .filter(({ best }) => best === row)
        .map(({ objective }) => objective.title.replace(/ \(.*/, ""))
        .filter(unique);
      return `${row} for ${titles.join(", ")}`;
    });
  return `It depends on the load: ${parts.join("; ")}.`;
}

function unique(value: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(value) === index;
}

function caveatsOf(run: Run): string[] {
  const cells = run.results.map(({ quantlab }) => quantlab);
  const accuracy = cells.filter(({ key }) => key.experiment === "accuracy");
  const caveats: string[] = [];
  if (!accuracy.some(({ status }) => status === "done")) {
    const reason = accuracy[0]?.reason ?? "this run has no accuracy cell";
    caveats.push(`Accuracy is not part of this answer: ${reason}.`);
  }
  const invalid = cells.filter(({ status, validity }) => status === "done" && !validity.valid);
  if (invalid.length > 0) {
    caveats.push(
      `${invalid.length} of ${cells.length} cells failed a validity gate and decide nothing.`,
    );
  }
  const failed = cells.filter(({ status }) => status === "failed");
  if (failed.length > 0) caveats.push(`${failed.length} of ${cells.length} cells failed.`);
  if (run.manifest.cells.every(({ repeat }) => repeat === 0)) {
    caveats.push("Every cell was run once: differences have no interval.");
  }
  return caveats;
}

function flipOf(crossover: RowCrossover): string | undefined {
  const { measured, label, reference } = crossover;
  if (measured === undefined || measured.kind === "none") return undefined;
  return `Batch size: ${label} and ${reference} change places at batch ${crossoverText(crossover)}.`;
}
