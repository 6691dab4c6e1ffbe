/** From a run's figures and a team's requirements to one answer, its margin, and what would change it. */
import { cellPath, type Run } from "../results/run.ts";
import { evidenceOf, pairsOf, rowsOf, timedRowsOf } from "./cells.ts";
import type { RowCrossover } from "./crossovers.ts";
import { eligibilityOf, type Requirements, requirementsOf } from "./eligibility.ts";
import type { Finding, Statement } from "./finding.ts";
import { flipsOf } from "./flips.ts";
import { type Interval, mean, meanInterval } from "./interval.ts";
import {
  isClear,
  isUsable,
  type Objective,
  objectivesOf,
  type Ranked,
  rank,
  type TrafficKind,
  trafficKinds,
} from "./objectives.ts";
import { disturbances } from "./noise.ts";
import { hiddenLossCaveat } from "./row-answers-text.ts";
import { asRatio } from "./wording.ts";

export interface Recommendation {
  /** The row to serve; undefined when nothing can be recommended. */
  readonly label: string | undefined;
  readonly runnerUp: string | undefined;
  /** How many times better than the runner-up over the traffic mix, with its interval over repeats. */
  readonly margin: Interval | undefined;
  readonly verdict: "yes" | "undecided";
  readonly answer: string;
  /** What would decide it, and what to type for that; undefined when it is decided. */
  readonly next: string | undefined;
  /** Cells that the answer's numbers come from. */
  readonly evidence: readonly string[];
  /** Best row by objective, with margin and runner-up. */
  readonly objectives: readonly Finding[];
  /** What the answer leaves out. */
  readonly caveats: readonly Statement[];
  /** What would change it. */
  readonly flips: readonly Statement[];
}

/** An objective with its share of the traffic. */
interface Weighted {
  readonly objective: Objective;
  readonly weight: number;
}

export function recommend(
  run: Run,
  crossovers: readonly RowCrossover[],
  requirements: Requirements = requirementsOf(run),
): Recommendation {
  const judged = timedRowsOf(run).map((label) => eligibilityOf(run, label, requirements));
  const rows = judged.filter(({ out }) => out === undefined).map(({ label }) => label);
  const excluded = judged.flatMap(({ out }) => out ?? []);
  const ranked = objectivesOf(run).flatMap((objective) => rank(run, rows, objective) ?? []);
  const weighted = weightsOf(run, rows, ranked, requirements);
  const [first, second] = order(run, rows, weighted);
  const caveats = [...excluded.map((text) => outOf(run, text)), ...caveatsOf(run)];
  const shared = { objectives: ranked.map(({ finding }) => finding), runnerUp: second };
  if (first === undefined || second === undefined) {
    return { ...shared, ...alone(run, rows, excluded), margin: undefined, caveats, flips: [] };
  }
  const margin = marginOf(run, first, second, weighted);
  const open = judged.find(({ label }) => label === first)?.open;
  // An interval over repeats has the noise in it; one run a cell has not.
  const disturbed = margin.n < 2 ? disturbances(run) : [];
  const clear = isClear(margin) && disturbed.length === 0;
  return {
    ...shared,
    label: first,
    margin,
    verdict: clear && open === undefined ? "yes" : "undecided",
    evidence: [first, second].flatMap((label) =>
      weighted.flatMap(({ objective }) => evidenceOf(run, label, objective.place)),
    ),
    next: clear ? undefined : moreRepeats(run, first, second, margin),
    answer: answerOf({ first, second, margin, clear, open, weighted, ranked }),
    caveats,
    flips: flipsOf(run, first, second, ranked, crossovers),
  };
}

/** Each kind of traffic has its share; its objectives divide it. Only what all rows measured counts. */
function weightsOf(
  run: Run,
  rows: readonly string[],
  ranked: readonly Ranked[],
  { traffic }: Requirements,
): Weighted[] {
  const shared = ranked
    .map(({ objective }) => objective)
    .filter(({ place }) => rows.every((label) => isUsable(run, label, place)));
  return trafficKinds.flatMap((kind: TrafficKind) => {
    const members = shared.filter((objective) => objective.traffic === kind);
    const share = traffic === undefined ? 1 : (traffic[kind] ?? 0);
    return members
      .map((objective) => ({ objective, weight: share / members.length }))
      .filter(({ weight }) => weight > 0);
  });
}

/** Rows from best to worst; none without two rows and something to rank them by. */
function order(run: Run, rows: readonly string[], weighted: readonly Weighted[]): string[] {
  const [reference] = rows;
  if (reference === undefined || rows.length < 2 || weighted.length === 0) return [];
  const scored = rows.map((label) => ({
    label,
    score: label === reference ? 0 : Math.log(marginOf(run, label, reference, weighted).value),
  }));
  return scored.toSorted((a, b) => b.score - a.score).map(({ label }) => label);
}

/**
 * How many times better one row is than another: the geometric mean over the traffic mix, by repeat;
 * the interval is that of the repeats, which pairs both rows of each.
 */
function marginOf(run: Run, a: string, b: string, weighted: readonly Weighted[]): Interval {
  const gains = weighted.map(({ objective: { place, better }, weight }) => {
    const pairs = pairsOf(run, a, b, place);
    const sign = better === "lower" ? -1 : 1;
    const logs = pairs.a.map((value, i) => sign * Math.log(value / (pairs.b[i] ?? Number.NaN)));
    return { weight, logs };
  });
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const repeats = Math.min(...gains.map(({ logs }) => logs.length));
  const ofRepeat = (repeat: number) =>
    gains.reduce((sum, { weight, logs }) => sum + weight * (logs[repeat] ?? 0), 0) / total;
  if (repeats < 2) {
    const value = gains.reduce((sum, { weight, logs }) => sum + weight * mean(logs), 0) / total;
    return { value: Math.exp(value), n: 1, low: undefined, high: undefined };
  }
  const found = meanInterval(Array.from({ length: repeats }, (_, repeat) => ofRepeat(repeat)));
  const exp = (x: number | undefined) => (x === undefined ? undefined : Math.exp(x));
  return { value: Math.exp(found.value), n: repeats, low: exp(found.low), high: exp(found.high) };
}

/** One row left, or none, or nothing to compare by. */
function alone(
  run: Run,
  rows: readonly string[],
  excluded: readonly string[],
): Pick<Recommendation, "label" | "verdict" | "answer" | "evidence" | "next"> {
  const [only] = rows;
  if (only === undefined) {
    return {
      label: undefined,
      verdict: "undecided",
      next: undefined,
      evidence: gateEvidence(run),
      answer: `No format meets the requirements: ${excluded.join(" ")}`,
    };
  }
  if (rows.length === 1 && excluded.length > 0) {
    return {
      label: only,
      verdict: "yes",
      next: undefined,
      evidence: [],
      answer: `Serve ${only}: it is the only format of this run that meets the requirements.`,
    };
  }
  const reason =
    timedRowsOf(run).length < 2
      ? "this run has one format"
      : "fewer than two formats have valid figures for the same cell";
  return {
    label: undefined,
    verdict: "undecided",
    next: undefined,
    evidence: [],
    answer: `Undecided: ${reason}.`,
  };
}

interface Answer {
  readonly first: string;
  readonly second: string;
  readonly margin: Interval;
  readonly clear: boolean;
  readonly open: string | undefined;
  readonly weighted: readonly Weighted[];
  readonly ranked: readonly Ranked[];
}

function answerOf(found: Answer): string {
  const { first, second, margin, clear, open, weighted, ranked } = found;
  const kinds = new Set(weighted.map(({ objective }) => objective.traffic)).size;
  const over = kinds === 1 ? "for this traffic" : `over the ${kinds} kinds of traffic measured`;
  const lead = `${asRatio(margin)} ${second}, ${over}`;
  if (!clear) return `Undecided: ${first} leads, ${lead}, ${whyOpen(margin)}.`;
  const split = splitOf(weighted, ranked, first);
  if (open !== undefined)
    return `${first} leads, ${lead}${split}, but its accuracy is open. ${open}`;
  return `Serve ${first}: ${lead}${split}.`;
}

/** Where other rows are best: the mix decides, and a reader with another mix should know. */
function splitOf(weighted: readonly Weighted[], ranked: readonly Ranked[], first: string): string {
  const counted = new Set(weighted.map(({ objective }) => objective.id));
  const others = ranked.filter(
    ({ objective, best }) => counted.has(objective.id) && best !== first,
  );
  if (others.length === 0) return ", and best in each";
  const parts = others.map(
    ({ objective, best }) => `${best} for ${objective.title.replace(/ \(.*/, "")}`,
  );
  return `, though others are better alone: ${parts.join(", ")}`;
}

function whyOpen({ value, n, low }: Interval): string {
  return n < 2 || low === undefined
    ? isClear({ value, n, low, high: undefined })
      ? "but its only run was disturbed"
      : "and one run a cell does not tell differences below 5 % apart"
    : "and the interval includes no difference";
}

/** Repeats at which the margin's interval would leave 1 behind, if spread and margin stay. */
function moreRepeats(run: Run, first: string, second: string, margin: Interval): string {
  const { n, low, high, value } = margin;
  if (n < 2 || low === undefined || high === undefined) {
    return `${againWith(run, 3)}: three repeats give every difference an interval.`;
  }
  const half = Math.log(high / low) / 2;
  const needed = Math.ceil(n * (half / Math.max(1e-6, Math.log(value))) ** 2);
  if (needed > 50) {
    return `${first} and ${second} are alike here: no practical number of repeats would tell them apart, so take the one that suits you otherwise (memory, accuracy).`;
  }
  const more = Math.max(1, needed - n);
  return `${againWith(run, n + more)}: about ${more} more ${more === 1 ? "repeat" : "repeats"} would decide it.`;
}

/** What to type for the same run with more repeats. */
function againWith({ manifest: { config } }: Run, repeats: number): string {
  const { profile, target } = config;
  if (typeof profile !== "string" || target !== "embedded") {
    return `the same run with \`--repeats ${repeats}\``;
  }
  return `\`node bin/quantlab.js run --profile ${profile} --repeats ${repeats}\` (with the options of this run)`;
}

/** A row that a requirement rules out: by its memory, its latency at the lowest rate, or its answers. */
function outOf(run: Run, text: string): Statement {
  const label = rowsOf(run).find((row) => text.startsWith(`${row} is out`));
  const own = gateEvidence(run).filter((path) => path.startsWith(`${label ?? ""}/`));
  const place = text.includes("weights")
    ? "memory"
    : text.includes("points")
      ? "accuracy"
      : "serving";
  return { text, evidence: own.filter((path) => path.includes(`/${place}/`)) };
}

/** Cells that a requirement is held against. */
function gateEvidence(run: Run): string[] {
  const experiments = ["memory", "serving", "accuracy"];
  return run.results
    .map(({ quantlab: { key } }) => key)
    .filter(({ experiment }) => experiments.includes(experiment))
    .map(cellPath);
}

function caveatsOf(run: Run): Statement[] {
  const cells = run.results.map(({ quantlab }) => quantlab);
  const accuracy = cells.filter(({ key }) => key.experiment === "accuracy");
  const caveats: Statement[] = disturbances(run).map(({ claim, evidence }) => ({
    text: claim,
    evidence,
  }));
  if (!accuracy.some(({ status }) => status === "done")) {
    const reason =
      accuracy[0]?.reason?.replace(/^not measured: /, "") ?? "this run has no accuracy cell";
    caveats.push({
      text: `Accuracy is not part of this answer: ${reason}.`,
      evidence: accuracy.map(({ key }) => cellPath(key)),
    });
  }
  const hidden = hiddenLossCaveat(run);
  if (hidden !== undefined) caveats.push(hidden);
  const invalid = cells.filter(({ status, validity }) => status === "done" && !validity.valid);
  if (invalid.length > 0) {
    caveats.push({
      text: `${invalid.length} of ${cells.length} cells failed a validity gate and decide nothing.`,
      evidence: invalid.map(({ key }) => cellPath(key)),
    });
  }
  if (run.manifest.cells.every(({ repeat }) => repeat === 0)) {
    caveats.push({ text: "Every cell was run once: differences have no interval.", evidence: [] });
  }
  return caveats;
}
