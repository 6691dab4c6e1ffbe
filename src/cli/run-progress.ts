/** Shows a run as it goes: the observer of the executor, drawn by progress.ts. */
import type { RunObserver } from "../executors/executor.ts";
import { formatDuration } from "../base/units.ts";
import { figureDefinitions } from "../results/figures.ts";
import { type CellResult, cellPath } from "../results/run.ts";
import { type Progress, TimeLeft } from "./progress.ts";
import { formatValue } from "./table.ts";

/** Figures for a cell's line, the first that it has; by falling interest. */
const headlines: readonly (readonly string[])[] = [
  ["msPerTokenMedian", "achievedBytesPerSecond"],
  ["ttftMsMedian", "itlMsMedian"],
  ["accuracy", "questions"],
  ["klMeanNats", "topAgreement"],
  ["weightBytes", "peakResidentBytes"],
];

/** "12.3 ms/token": what a finished cell found, in a few words. */
export function headlineOf({ quantlab }: CellResult): string {
  if (quantlab.status !== "done") return `${quantlab.status}: ${quantlab.reason ?? "no reason"}`;
  const { figures } = quantlab;
  const names = headlines.find((group) => group.some((name) => figures[name] !== undefined)) ?? [];
  const tokens = figures.outputTokensPerSecond === undefined ? [] : ["outputTokensPerSecond"];
  const shown = [...names, ...tokens].flatMap((name) => {
    const value = figures[name];
    if (value === undefined) return [];
    const { unit = "", title = name } = figureDefinitions[name] ?? {};
    if (unit === "share")
      return [`${title.toLowerCase()} ${formatValue(100 * value, "percent")} %`];
    if (unit === "nat") return [`KL ${formatValue(1e3 * value, "millinats")} millinats`];
    if (unit === "B/s") return [`${formatValue(value / 1e9, "GB/s")} GB/s`];
    const number = formatValue(value, unit);
    return [
      `${title.match(/\((\w+)\)/)?.[1] ?? ""} ${number}${unit === "B" ? "" : ` ${unit}`}`.trim(),
    ];
  });
  const warning = quantlab.validity.valid ? "" : ` (${quantlab.validity.reasons.join("; ")})`;
  return `${shown.join(", ")}${warning}`;
}

export interface RunProgressOptions {
  readonly progress: Progress;
  /** Of what is still to be done. */
  readonly predictedMs: number;
  readonly cells: number;
}

export function runProgress({ progress, predictedMs, cells }: RunProgressOptions): RunObserver {
  const left = new TimeLeft(predictedMs);
  let step = { label: "", predictedMs: 0 };
  let finished = 0;
  const draw = (fraction: number, text: string) =>
    progress.bar({
      fraction: left.fraction({ predictedMs: step.predictedMs, fraction }),
      leftMs: left.leftMs({ predictedMs: step.predictedMs, fraction }),
      text: text === "" ? step.label : `${step.label}: ${text}`,
    });
  return {
    event: (text) => progress.event(text),
    stepStarted(label, stepPredictedMs) {
      step = { label, predictedMs: stepPredictedMs };
      draw(0, "");
    },
    stepProgress: draw,
    stepFinished(stepPredictedMs, actualMs) {
      left.finish(stepPredictedMs, actualMs);
      step = { label: "", predictedMs: 0 };
    },
    cellFinished(cell, result) {
      finished++;
      const took = formatDuration(result.quantlab.durationMs);
      const place = `[${String(finished).padStart(String(cells).length)}/${cells}]`;
      progress.event(`${place} ${cellPath(cell.key)}  ${headlineOf(result)}  (${took})`);
    },
  };
}
