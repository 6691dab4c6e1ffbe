import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { closedLoop, type LoopContext, openLoop } from "./loop.ts";
import type { FrozenRequest } from "./request.ts";

interface Sent {
  readonly index: number;
  readonly intendedMs: number;
  readonly atMs: number;
  readonly overMs: number;
}

/** A server in which request i takes durations[i] ms, on a clock that only the test moves. */
class Rig {
  readonly clock = new ManualClock();
  readonly sent: Sent[] = [];
  readonly stop = new AbortController();
  peak = 0;
  #inFlight = 0;

  readonly #durationsMs: readonly number[];

  constructor(durationsMs: readonly number[]) {
    this.#durationsMs = durationsMs;
  }

  context(): LoopContext {
    return {
      clock: this.clock,
      originMs: 0,
      stop: this.stop.signal,
      send: async (request, intendedMs) => {
        const atMs = this.clock.nowMs();
        this.peak = Math.max(this.peak, ++this.#inFlight);
        const overMs = atMs + (this.#durationsMs[request.index] ?? 0);
        await this.clock.sleepUntil(overMs);
        this.#inFlight--;
        this.sent.push({ index: request.index, intendedMs, atMs, overMs });
      },
    };
  }

  /** Moves time by whole milliseconds until the loop settles. */
  async drive(loop: Promise<void>): Promise<void> {
    let running = true;
    void loop.finally(() => {
      running = false;
    });
    for (let nowMs = 0; running; nowMs++) {
      this.clock.advanceTo(nowMs);
      // Everything that became due runs before time moves on.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await loop;
  }

  inOrder(): Sent[] {
    return this.sent.toSorted((a, b) => a.index - b.index);
  }
}

function requestsAt(times: readonly number[]): FrozenRequest[] {
  return times.map((intendedMs, index) => ({
    index,
    prompt: [1],
    promptTokens: 1,
    maxTokens: 1,
    intendedMs,
  }));
}

const cells = fc
  .array(fc.record({ atMs: fc.nat(30), lastsMs: fc.nat(25) }), { minLength: 1, maxLength: 12 })
  .map((requests) => ({
    times: requests.map((request) => request.atMs),
    durations: requests.map((request) => request.lastsMs),
  }));

test("an open loop sends at the intended times, however long answers take", async () => {
  await fc.assert(
    fc.asyncProperty(cells, async ({ times, durations }) => {
      const rig = new Rig(durations);
      await rig.drive(openLoop(requestsAt(times), rig.context()));
      expect(rig.inOrder().map((s) => s.atMs)).toEqual(times);
      expect(rig.inOrder().map((s) => s.intendedMs)).toEqual(times);
    }),
    { numRuns: 30 },
  );
});

test("a cap is never exceeded, keeps the order, and never makes a request early", async () => {
  await fc.assert(
    fc.asyncProperty(cells, fc.integer({ min: 1, max: 4 }), async (cell, cap) => {
      const rig = new Rig(cell.durations);
      await rig.drive(openLoop(requestsAt(cell.times), rig.context(), cap));
      expect(rig.sent).toHaveLength(cell.times.length);
      expect(rig.peak).toBeLessThanOrEqual(cap);
      const bySchedule = rig.inOrder().toSorted((a, b) => a.intendedMs - b.intendedMs);
      const starts = bySchedule.map((s) => s.atMs);
      expect(starts).toEqual(starts.toSorted((a, b) => a - b));
      for (const s of rig.sent) expect(s.atMs).toBeGreaterThanOrEqual(s.intendedMs);
    }),
    { numRuns: 30 },
  );
});

test("a closed loop keeps its number in flight until the requests run out", async () => {
  await fc.assert(
    fc.asyncProperty(cells, fc.integer({ min: 1, max: 4 }), async (cell, concurrency) => {
      const rig = new Rig(cell.durations);
      const requests = requestsAt(cell.times);
      await rig.drive(closedLoop(requests, rig.context(), concurrency));
      expect(rig.inOrder().map((s) => s.index)).toEqual(requests.map((r) => r.index));
      expect(rig.peak).toBe(Math.min(concurrency, requests.length));
      // Each but the first ones starts at the moment in which another is over.
      for (const s of rig.sent) {
        expect(s.intendedMs).toBe(s.atMs);
        if (s.index >= concurrency) expect(rig.sent.map((o) => o.overMs)).toContain(s.atMs);
      }
    }),
    { numRuns: 30 },
  );
});

test("once stopped, nothing more is sent, and what is in flight is waited for", async () => {
  for (const loop of [
    (rig: Rig) => openLoop(requestsAt([0, 5, 10_000]), rig.context()),
    (rig: Rig) => closedLoop(requestsAt([0, 0, 0]), rig.context(), 2),
  ]) {
    const rig = new Rig([20, 20, 20]);
    const running = loop(rig);
    void rig.clock.sleepUntil(8).then(() => rig.stop.abort());
    await rig.drive(running);
    expect(rig.inOrder().map((s) => s.index)).toEqual([0, 1]);
  }
});
