/** A run's finished cells looked up by row, experiment and setting, as values with their evidence. */
import { z } from "zod";
import type { Run } from "../results/run.ts";
import { cellPath } from "../results/run.ts";
import { deviceByName } from "../roofline/devices.ts";
import type { Ceilings } from "../roofline/predict.ts";
import type { Quantity } from "./finding.ts";
import { type Interval, positiveInterval } from "./interval.ts";

/** Where a figure stands. */
export interface FigurePlace {
  readonly experiment: string;
  readonly setting: string;
  readonly figure: string;
}

/** Row labels in the order of the configuration; the first is what the others are held against. */
export function rowsOf(run: Run): string[] {
  const configured = z
    .object({ formats: z.array(z.object({ label: z.string() })) })
    .safeParse(run.manifest.config);
  const planned = run.manifest.cells.map((key) => key.format);
  const first = configured.success ? configured.data.formats.map(({ label }) => label) : [];
  return [...new Set([...first.filter((label) => planned.includes(label)), ...planned])];
}

/** Rows whose speed the run is to measure; a row may stand for its answers alone. */
export function timedRowsOf(run: Run): string[] {
  const answers = ["accuracy", "divergence"];
  const timed = run.manifest.cells.filter(({ experiment }) => !answers.includes(experiment));
  return rowsOf(run).filter((label) => timed.some(({ format }) => format === label));
}

/** The format behind a row's label: "awq" of "awq-plain". */
export function formatOf(run: Run, label: string): string {
  const configured = z
    .object({ formats: z.array(z.object({ label: z.string(), format: z.string() })) })
    .safeParse(run.manifest.config);
  const entry = configured.success
    ? configured.data.formats.find((format) => format.label === label)
    : undefined;
  return entry?.format ?? run.manifest.traffic?.[label]?.format ?? label;
}

/** Settings of an experiment in rising order: batch-1, batch-16; rate-1, rate-inf. */
export function settingsOf(run: Run, experiment: string): string[] {
  const found = run.manifest.cells.filter((key) => key.experiment === experiment);
  return [...new Set(found.map((key) => key.setting))].sort(
    (a, b) => settingNumber(a) - settingNumber(b),
  );
}

/** 16 of "batch-16", Infinity of "rate-inf"; NaN where a setting has no number. */
export function settingNumber(setting: string): number {
  const last = setting.slice(setting.lastIndexOf("-") + 1);
  return last === "inf" ? Number.POSITIVE_INFINITY : Number(last);
}

/** For people: "batch 16", "4 req/s", "saturated". */
export function settingTitle(setting: string): string {
  const number = setting.slice(setting.lastIndexOf("-") + 1);
  if (setting.startsWith("rate-")) return number === "inf" ? "saturated" : `${number} req/s`;
  if (setting.startsWith("requests-")) return `${number} requests`;
  return setting.replaceAll("-", " ");
}

/** Values of a figure by repeat, finished cells only. */
export function repeatsOf(run: Run, label: string, place: FigurePlace): Map<number, number> {
  const values = new Map<number, number>();
  for (const { quantlab } of run.results) {
    const { key, status, figures } = quantlab;
    const value = figures[place.figure];
    if (status !== "done" || value === undefined || key.format !== label) continue;
    if (key.experiment === place.experiment && key.setting === place.setting) {
      values.set(key.repeat, value);
    }
  }
  return values;
}

/** The mean over repeats with its interval; undefined when no cell holds the figure. */
export function figureOf(run: Run, label: string, place: FigurePlace): Interval | undefined {
  const values = [...repeatsOf(run, label, place).values()];
  return values.length === 0 ? undefined : positiveInterval(values);
}

/** Values of two rows for those repeats that both have, in the same order. */
export function pairsOf(
  run: Run,
  a: string,
  b: string,
  place: FigurePlace,
): { readonly a: number[]; readonly b: number[] } {
  const other = repeatsOf(run, b, place);
  const shared = [...repeatsOf(run, a, place)].filter(([repeat]) => other.has(repeat));
  return {
    a: shared.map(([, value]) => value),
    b: shared.map(([repeat]) => other.get(repeat) ?? Number.NaN),
  };
}

/** Paths of the cells behind a figure. */
export function evidenceOf(run: Run, label: string, place: FigurePlace): string[] {
  const { experiment, setting } = place;
  return [...repeatsOf(run, label, place).keys()].map((repeat) =>
    cellPath({ format: label, experiment, setting, repeat }),
  );
}

/** An interval as it is shown, in a unit that is `per` of the stored one. */
export function quantity(
  interval: Interval,
  unit: string,
  per = 1,
  ceiling: Quantity["ceiling"] = undefined,
  evidence: readonly string[] = [],
): Quantity {
  const scaled = (x: number | undefined) => (x === undefined ? undefined : x / per);
  return {
    value: interval.value / per,
    unit,
    n: interval.n,
    of: interval.n === 1 ? "run" : "repeats",
    low: scaled(interval.low),
    high: scaled(interval.high),
    ceiling,
    ...(evidence.length === 0 ? {} : { evidence }),
  };
}

/** The device of a run: probes of its machine, or the data sheet for published figures. */
export function ceilingsOf(run: Run): (Ceilings & { readonly title: string }) | undefined {
  const { machine, published } = run.manifest;
  if (published !== undefined) return deviceByName(published.device);
  const { accelerator } = machine;
  if (accelerator !== undefined) {
    return accelerator.device === undefined ? undefined : deviceByName(accelerator.device);
  }
  if (machine.readBandwidthBytesPerSecond <= 0 || machine.bf16FlopsPerSecond <= 0) return undefined;
  return {
    title: machine.cpuModel,
    bytesPerSecond: machine.readBandwidthBytesPerSecond,
    flopsPerSecond: { bf16: machine.bf16FlopsPerSecond },
  };
}

/** Prompt and output lengths of an experiment, where the configuration says. */
export function lengthsOf(
  run: Run,
  experiment: string,
): { readonly inputLen: number; readonly outputLen: number } | undefined {
  const lengths = z.object({ inputLen: z.number(), outputLen: z.number() });
  const parsed = z
    .object({ experiments: z.record(z.string(), z.unknown()) })
    .safeParse(run.manifest.config);
  const found = parsed.success
    ? lengths.safeParse(parsed.data.experiments[experiment])
    : { success: false as const };
  return found.success ? found.data : undefined;
}
