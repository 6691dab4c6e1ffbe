/** Progress on stderr: one bar with the time left on a terminal, one line per event elsewhere. */
import { formatDuration } from "../base/units.ts";

/** What progress is written to: process.stderr, or a recorder in tests. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface BarState {
  /** 0..1 */
  readonly fraction: number;
  readonly leftMs: number | undefined;
  readonly text: string;
}

const barCells = 24;
/** A terminal is redrawn at most this often; more cannot be read and costs the server's cores. */
const redrawMs = 200;

/** One line no wider than `columns`: bar, percentage, time left, text. */
export function renderBar(state: BarState, columns: number): string {
  const fraction = Math.min(1, Math.max(0, state.fraction));
  const full = Math.round(fraction * barCells);
  const bar = `${"#".repeat(full)}${".".repeat(barCells - full)}`;
  const percent = `${Math.floor(fraction * 100)}`.padStart(3);
  const left = state.leftMs === undefined ? "" : `, ${formatDuration(state.leftMs)} left`;
  return `[${bar}] ${percent} %${left}  ${state.text}`.slice(0, Math.max(0, columns - 1));
}

/**
 * Estimates the time left from what is done: the plan's predictions, corrected by how the finished
 * part compared with its own.
 */
export class TimeLeft {
  #doneMs = 0;
  #donePredictedMs = 0;
  #remainingMs: number;

  /** @param predictedMs of the whole plan */
  constructor(predictedMs: number) {
    this.#remainingMs = predictedMs;
  }

  finish(predictedMs: number, actualMs: number): void {
    this.#doneMs += actualMs;
    this.#donePredictedMs += predictedMs;
    this.#remainingMs = Math.max(0, this.#remainingMs - predictedMs);
  }

  /** @param current predicted cost of the step in progress and how much of it is done, 0..1 */
  leftMs(current: { readonly predictedMs: number; readonly fraction: number }): number {
    const remainingMs = Math.max(0, this.#remainingMs - current.predictedMs * current.fraction);
    return remainingMs * this.#correction();
  }

  fraction(current: { readonly predictedMs: number; readonly fraction: number }): number {
    const doneMs = this.#donePredictedMs + current.predictedMs * current.fraction;
    const totalMs = this.#donePredictedMs + this.#remainingMs;
    return totalMs === 0 ? 1 : doneMs / totalMs;
  }

  /** Until a tenth of the plan is done its ratio says little, so the prediction counts as well. */
  #correction(): number {
    const weightMs = (this.#donePredictedMs + this.#remainingMs) / 10;
    const denominatorMs = this.#donePredictedMs + weightMs;
    return denominatorMs === 0 ? 1 : (this.#doneMs + weightMs) / denominatorMs;
  }
}

/** Writes events as lines that stay, and the bar below them where there is a terminal. */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #nowMs: () => number;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #isBarShown = false;

  constructor(
    stream: ProgressStream = process.stderr,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /** A line that stays. */
  event(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  /** The bar; nothing where stderr is not a terminal. */
  bar(state: BarState): void {
    if (this.#stream.isTTY !== true) return;
    const nowMs = this.#nowMs();
    if (this.#isBarShown && nowMs - this.#drawnAtMs < redrawMs) return;
    this.#drawnAtMs = nowMs;
    this.#isBarShown = true;
    this.#stream.write(`\r\u001b[2K${renderBar(state, this.#stream.columns ?? 80)}`);
  }

  /** Takes the bar away. */
  end(): void {
    this.#clear();
  }

  #clear(): void {
    if (!this.#isBarShown) return;
    this.#stream.write("\r\u001b[2K");
    this.#isBarShown = false;
  }
}
