/** The manual clock wakes sleepers in order of deadline, and the system clock never wakes early. */
import { describe, expect, it } from "vitest";
import { ManualClock, systemClock } from "./clock.ts";

describe("ManualClock", () => {
  it("wakes who is due, in order, and nobody else", async () => {
    const clock = new ManualClock();
    const woken: number[] = [];
    const sleeps = [30, 10, 20].map((ms) => clock.sleepUntil(ms).then(() => woken.push(ms)));
    expect(clock.nextDeadlineMs()).toBe(10);
    clock.advanceTo(20);
    await Promise.all(sleeps.slice(1));
    expect(woken).toEqual([10, 20]);
    expect(clock.nextDeadlineMs()).toBe(30);
    clock.advanceTo(30);
    await sleeps[0];
    expect(woken).toEqual([10, 20, 30]);
    expect(clock.nextDeadlineMs()).toBeUndefined();
  });

  it("returns at once for the past and on abort", async () => {
    const clock = new ManualClock();
    clock.advanceTo(5);
    await clock.sleepUntil(5);
    const abort = new AbortController();
    const sleep = clock.sleepUntil(100, abort.signal);
    abort.abort();
    await sleep;
  });
});

describe("systemClock", () => {
  it("does not wake before the deadline", async () => {
    for (const ms of [0.2, 1.3, 2.7]) {
      const deadlineMs = systemClock.nowMs() + ms;
      await systemClock.sleepUntil(deadlineMs);
      expect(systemClock.nowMs()).toBeGreaterThanOrEqual(deadlineMs);
    }
  });

  it("ends early on abort", async () => {
    const abort = new AbortController();
    const sleep = systemClock.sleepUntil(systemClock.nowMs() + 3_600_000, abort.signal);
    abort.abort();
    await sleep;
    expect(abort.signal.aborted).toBe(true);
  });
});
