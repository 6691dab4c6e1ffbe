/** How much one cell differs from its own repeats on this machine: what any difference has to exceed. */
import type { Run } from "../results/run.ts";
import { cellPath } from "../results/run.ts";
import { evidenceOf, figureOf, repeatsOf, rowsOf, settingsOf, settingTitle } from "./cells.ts";
import type { Finding } from "./finding.ts";
import { mean, median } from "./interval.ts";
import { asPercent, asText } from "./wording.ts";

/** The figure that stands for a cell of each experiment. */
const headline: Readonly<Record<string, string>> = {
  latency: "msPerTokenMedian",
  throughput: "outputTokensPerSecond",
  serving: "itlMsMedian",
};

/** Coefficients of variation of every cell that was repeated. */
export function variations(run: Run): number[] {
  const places = new Map<string, { readonly experiment: string; readonly setting: string }>();
  for (const { experiment, setting } of run.manifest.cells) {
    places.set(`${experiment}/${setting}`, { experiment, setting });
  }
  return rowsOf(run).flatMap((label) =>
    [...places.values()].flatMap((place) => {
      const figure = headline[place.experiment];
      const values =
        figure === undefined ? [] : [...repeatsOf(run, label, { ...place, figure }).values()];
      if (values.length < 2) return [];
      const centre = mean(values);
      const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
      return [Math.sqrt(squares / (values.length - 1)) / centre];
    }),
  );
}

/** One finding: the design of the comparison, and the noise that it leaves. */
export function noiseFinding(run: Run): Finding[] {
  if (run.manifest.published !== undefined || run.results.length === 0) return [];
  const found = variations(run);
  const base = { id: "noise/repeats", numbers: {}, verdict: "info" as const };
  const evidence = run.results
    .filter(({ quantlab }) => headline[quantlab.key.experiment] !== undefined)
    .map(({ quantlab }) => cellPath(quantlab.key));
  if (found.length === 0) {
    const claim =
      "Noise of this machine: not known, as every cell was run once; differences below 5 % are not called clear.";
    return [{ ...base, claim, evidence: [] }];
  }
  const claim = `Noise of this machine: a cell varies by ${asPercent(median(found))} between its repeats (median standard deviation of ${found.length} cells; the worst ${asPercent(Math.max(...found))}). Formats ran in turn, forwards and backwards (ABBA), each block on a fresh server, on the same frozen requests; differences are paired by repeat.`;
  return [{ ...base, claim, evidence }];
}

/** A larger batch does more work in a step: it cannot be faster by more than noise. */
const impossibleGain = 1.2;

/** Rows whose steps got faster with more sequences in them, which only a disturbed machine shows. */
export function disturbances(run: Run): Finding[] {
  if (run.manifest.published !== undefined) return [];
  return rowsOf(run).flatMap((label) => {
    const steps = settingsOf(run, "throughput").flatMap((setting) => {
      const place = { experiment: "throughput", setting, figure: "msPerTokenMedian" };
      const ms = figureOf(run, label, place)?.value;
      return ms === undefined ? [] : [{ setting, ms, evidence: evidenceOf(run, label, place) }];
    });
    for (const [index, small] of steps.entries()) {
      const large = steps.slice(index + 1).find(({ ms }) => small.ms > impossibleGain * ms);
      if (large === undefined) continue;
      const claim = `${label} took ${asText(small.ms)} ms a step at ${settingTitle(small.setting)}, but only ${asText(large.ms)} ms at ${settingTitle(large.setting)}: more work cannot take less time, so something else was using this machine.`;
      const evidence = [...small.evidence, ...large.evidence];
      return [
        { id: `noise/disturbed/${label}`, claim, verdict: "no" as const, numbers: {}, evidence },
      ];
    }
    return [];
  });
}
