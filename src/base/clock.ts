/** Injected time: everything that waits or stamps takes a Clock, so that tests need not sleep. */

export interface Clock {
  /** Monotonic milliseconds with sub-microsecond resolution; the zero is arbitrary. */
  nowMs(): number;
  /** Wall-clock milliseconds since 1970, for file names and manifests only. */
  wallMs(): number;
  /** Resolves at or after `deadlineMs` of `nowMs()`; resolves early, without error, on abort. */
  sleepUntil(deadlineMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  async sleepUntil(deadlineMs, signal) {
    // setTimeout rounds to whole milliseconds and may fire early by up to one: loop until due.
    for (;;) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || signal?.aborted) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, Math.max(0, Math.ceil(leftMs)));
        signal?.addEventListener("abort", done, { once: true });
      });
    }
  },
};

/**
 * What to add to systemClock.nowMs() to get milliseconds of the machine's monotonic clock, which all
 * processes share: times of two processes can then be subtracted.
 */
export function machineOffsetMs(): number {
  let offsetMs = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  // Two clocks cannot be read at once, and a first call is slow: the closest of a few readings counts.
  for (let i = 0; i < 8; i++) {
    const beforeMs = performance.now();
    const machineMs = Number(process.hrtime.bigint()) / 1e6;
    const apartMs = performance.now() - beforeMs;
    if (apartMs >= leastMs) continue;
    leastMs = apartMs;
    offsetMs = machineMs - beforeMs - apartMs / 2;
  }
  return offsetMs;
}

/** A clock that moves only when told: `sleepUntil` resolves when `advanceTo` passes the deadline. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #sleepers: { deadlineMs: number; resolve: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  sleepUntil(deadlineMs: number, signal?: AbortSignal): Promise<void> {
    if (deadlineMs <= this.#nowMs || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#sleepers.push({ deadlineMs, resolve: wake });
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** Moves time and wakes, in order of deadline, everyone who is due. */
  advanceTo(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = this.#sleepers.filter((s) => s.deadlineMs <= nowMs);
    this.#sleepers = this.#sleepers.filter((s) => s.deadlineMs > nowMs);
    due.sort((a, b) => a.deadlineMs - b.deadlineMs);
    for (const sleeper of due) sleeper.resolve();
  }

  /** The earliest deadline somebody waits for, or undefined. */
  nextDeadlineMs(): number | undefined {
    return this.#sleepers.length === 0
      ? undefined
      : Math.min(...this.#sleepers.map((s) => s.deadlineMs));
  }
}
