/** Known traps of a comparison of formats, each found by a rule with its evidence. */
import { z } from "zod";
import type { CellResult, Run } from "../results/run.ts";
import { cellPath } from "../results/run.ts";
import { devices } from "../roofline/devices.ts";
import {
  evidenceOf,
  type FigurePlace,
  figureOf,
  formatOf,
  rowsOf,
  settingsOf,
  settingTitle,
} from "./cells.ts";
import type { Finding } from "./finding.ts";
import { asPercent, asText } from "./wording.ts";

type Trap = (run: Run) => Finding[];

/** What servers say of themselves, whoever they are; every field may be missing. */
const factsSchema = z
  .looseObject({
    server: z.string().optional(),
    kernel: z.string().optional(),
    device: z.string().optional(),
    capability: z.union([z.string(), z.number()]).optional(),
    enforceEager: z.boolean().optional(),
    prefixCaching: z.boolean().optional(),
    prefixCacheHitRate: z.number().optional(),
    preemptions: z.number().optional(),
    raw: z
      .looseObject({
        engine: z.looseObject({ preemptions: z.number().optional() }).optional(),
        memory: z.looseObject({ residentBytes: z.number().optional() }).optional(),
      })
      .optional(),
  })
  .catch({});

type Facts = z.infer<typeof factsSchema>;

export function trapFindings(run: Run): Finding[] {
  return traps.flatMap((trap) => trap(run));
}

function trapFinding(id: string, claim: string, evidence: readonly string[]): Finding {
  return { id: `trap/${id}`, claim, verdict: "no", numbers: {}, evidence: [...new Set(evidence)] };
}

function factsOf(cell: CellResult): Facts {
  return factsSchema.parse(cell.quantlab.facts ?? {});
}

function cellsOf(run: Run, label: string): readonly CellResult[] {
  return run.results.filter(({ quantlab }) => quantlab.key.format === label);
}

/** First cell of each row whose facts meet a condition, with what met it. */
function rowsWith<T>(
  run: Run,
  condition: (facts: Facts, label: string) => T | undefined,
): { readonly label: string; readonly found: T; readonly path: string }[] {
  return rowsOf(run).flatMap((label) => {
    for (const cell of cellsOf(run, label)) {
      const found = condition(factsOf(cell), label);
      if (found !== undefined) return [{ label, found, path: cellPath(cell.quantlab.key) }];
    }
    return [];
  });
}

/** Load at which a format that is fine alone is this many times slower than the reference. */
const collapse = 1.5;

/** Weight-only 4-bit that is as fast as the reference alone and much slower under load. */
const forcedKernel: Trap = (run) => {
  const [reference] = rowsOf(run);
  if (reference === undefined || run.manifest.published !== undefined) return [];
  return rowsOf(run).flatMap((label) => {
    if (formatOf(run, label) !== "awq") return [];
    const alone = ratio(run, label, reference, {
      experiment: "latency",
      setting: "batch-1",
      figure: "msPerTokenMedian",
    });
    const loaded = settingsOf(run, "serving").flatMap((setting) => {
      const place = { experiment: "serving", setting, figure: "itlMsMedian" };
      const found = ratio(run, label, reference, place);
      return found === undefined ? [] : [{ place, setting, found }];
    });
    const worst = loaded.toSorted((a, b) => b.found - a.found)[0];
    if (alone === undefined || worst === undefined) return [];
    if (alone > 1.1 || worst.found < collapse) return [];
    const kernel = kernelOfRow(run, label);
    const claim = `${label} takes ${asText(alone)} times the time of ${reference} alone, but ${asText(worst.found)} times under load (ITL, ${settingTitle(worst.setting)}). That is the mark of a kernel that unpacks the weights again for every few rows${kernel === undefined ? "" : ` (here: ${kernel})`}, not of the format: on vLLM, --quantization awq forces such a kernel; leave the flag out, or measure awq_marlin beside it.`;
    const evidence = [label, reference].flatMap((row) => evidenceOf(run, row, worst.place));
    return [trapFinding(`forced-kernel/${label}`, claim, evidence)];
  });
};

/** Where kernels of one format are held against each other: alone, then under load. */
function kernelPlaces(run: Run): readonly FigurePlace[] {
  const loads = settingsOf(run, "serving").map((setting) => ({
    experiment: "serving",
    setting,
    figure: "itlMsMedian",
  }));
  return [{ experiment: "latency", setting: "batch-1", figure: "msPerTokenMedian" }, ...loads];
}

const kernelOfRow = (run: Run, label: string): string | undefined =>
  cellsOf(run, label)
    .map((cell) => factsOf(cell).kernel)
    .find((name) => name);

/** Two rows of one format and different kernels: what differs between them is not the format. */
const slowKernel: Trap = (run) =>
  rowsOf(run).flatMap((label) => {
    const format = formatOf(run, label);
    const own = kernelOfRow(run, label);
    if (format === undefined || own === undefined) return [];
    return rowsOf(run).flatMap((other) => {
      const theirs = kernelOfRow(run, other);
      if (other === label || formatOf(run, other) !== format) return [];
      if (theirs === undefined || theirs === own) return [];
      const found = kernelPlaces(run).flatMap((place) => {
        const value = ratio(run, label, other, place);
        return value === undefined ? [] : [{ place, value }];
      });
      const worst = found.toSorted((a, b) => b.value - a.value)[0];
      if (worst === undefined || worst.value < collapse) return [];
      const times = found
        .map(({ place, value }) => `${asText(value)} times ${settingTitle(place.setting)}`)
        .join(", ");
      const claim = `${label} and ${other} are both ${format}; their kernels differ (${own}; ${theirs}). A token of ${label} takes ${times}. That price is the kernel's, not the format's.`;
      const evidence = [label, other].flatMap((row) => evidenceOf(run, row, worst.place));
      return [trapFinding(`slow-kernel/${label}`, claim, evidence)];
    });
  });

function ratio(run: Run, a: string, b: string, place: FigurePlace): number | undefined {
  const [x, y] = [figureOf(run, a, place), figureOf(run, b, place)];
  return x === undefined || y === undefined || y.value <= 0 ? undefined : x.value / y.value;
}

/** FP8 weights on a device without FP8 units, or a kernel that says so itself. */
const weightOnlyFp8: Trap = (run) => {
  const device = devices.find(({ name }) => name === run.manifest.published?.device);
  return rowsWith(run, ({ kernel = "", capability }, label) => {
    if (formatOf(run, label) !== "fp8") return undefined;
    const lacks = device !== undefined && device.flopsPerSecond.fp8 === undefined;
    const old = Number(capability ?? Number.NaN) < 8.9;
    if (!lacks && !old && !/marlin/i.test(kernel)) return undefined;
    return kernel === "" ? `compute capability ${capability ?? device?.capability}` : kernel;
  }).map(({ label, found, path }) =>
    trapFinding(
      `weight-only-fp8/${label}`,
      `${label} runs with FP8 weights but 16-bit arithmetic (${found}): before capability 8.9 there are no FP8 units, so it saves bandwidth and gains nothing where compute bounds.`,
      [path],
    ),
  );
};

const prefixCache: Trap = (run) =>
  rowsWith(run, ({ prefixCacheHitRate: rate }) =>
    rate !== undefined && rate > 0.02 ? rate : undefined,
  ).map(({ label, found, path }) =>
    trapFinding(
      `prefix-cache/${label}`,
      `${label}: ${asPercent(found)} of the prompt tokens came from the prefix cache, so prompts cost less than they would with fresh users; switch it off, or draw prompts that share nothing.`,
      [path],
    ),
  );

const preemptions: Trap = (run) =>
  rowsWith(run, ({ preemptions: own, raw }) => {
    const count = own ?? raw?.engine?.preemptions ?? 0;
    return count > 0 ? count : undefined;
  }).map(({ label, found, path }) =>
    trapFinding(
      `preemptions/${label}`,
      `${label}: the key-value cache was too small, ${asText(found)} sequences were preempted and computed again; TTFT and ITL under load measure the cache, not the format.`,
      [path],
    ),
  );

const eager: Trap = (run) =>
  rowsWith(run, ({ enforceEager }) => (enforceEager === true ? true : undefined)).map(
    ({ label, path }) =>
      trapFinding(
        `eager/${label}`,
        `${label} ran without CUDA graphs (enforce_eager): every step pays its launches, which hides what a smaller format saves at batch 1.`,
        [path],
      ),
  );

/** A load generator that was late measures itself. */
const clientBound: Trap = (run) =>
  rowsOf(run).flatMap((label) =>
    settingsOf(run, "serving").flatMap((setting) => {
      const place = { experiment: "serving", setting, figure: "clientLagMsP99" };
      const lag = figureOf(run, label, place)?.value;
      const ttft = figureOf(run, label, { ...place, figure: "ttftMsMedian" })?.value;
      if (lag === undefined || ttft === undefined || lag <= Math.max(10, 0.1 * ttft)) return [];
      const claim = `${label}, ${settingTitle(setting)}: the load generator was ${asText(lag)} ms late at p99 against a median TTFT of ${asText(ttft)} ms; part of that TTFT is its own.`;
      return [trapFinding(`client/${label}/${setting}`, claim, evidenceOf(run, label, place))];
    }),
  );

/** Weights shrink, the process does not: the server gave the room to its cache. */
const noMemorySaved: Trap = (run) => {
  const [reference] = rowsOf(run);
  if (reference === undefined) return [];
  const of = (label: string, figure: string) =>
    figureOf(run, label, { experiment: "memory", setting: "loaded", figure })?.value;
  const [weights, peak, cache] = ["weightBytes", "peakResidentBytes", "kvCacheBytes"].map((name) =>
    of(reference, name),
  );
  if (weights === undefined || peak === undefined) return [];
  return rowsOf(run).flatMap((label) => {
    const [own, ownPeak, ownCache] = [
      of(label, "weightBytes"),
      of(label, "peakResidentBytes"),
      of(label, "kvCacheBytes"),
    ];
    if (own === undefined || ownPeak === undefined || ownCache === undefined) return [];
    const saved = weights - own;
    if (saved < 0.2 * weights || peak - ownPeak > 0.5 * saved || ownCache <= (cache ?? 0))
      return [];
    const claim = `${label} has ${asText(saved / 1e9)} GB less of weights than ${reference}, but the server takes nearly as much memory: its key-value cache grew from ${asText((cache ?? 0) / 1e9)} to ${asText(ownCache / 1e9)} GB. The saving is there as cache, not as free memory.`;
    const place = { experiment: "memory", setting: "loaded", figure: "peakResidentBytes" };
    return [trapFinding(`cache-took-it/${label}`, claim, evidenceOf(run, label, place))];
  });
};

const traps: readonly Trap[] = [
  forcedKernel,
  slowKernel,
  weightOnlyFp8,
  prefixCache,
  preemptions,
  eager,
  clientBound,
  noMemorySaved,
];
