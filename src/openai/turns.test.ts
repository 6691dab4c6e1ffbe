import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type TurnJob, Turns } from "./turns.ts";

/** Takes so many steps of so much work, and says when it is over. */
class Steps implements TurnJob {
  readonly bytes: number;
  #left: number;
  readonly #stepMs: number;
  readonly #onDone: () => void;

  constructor(count: number, stepMs: number, bytes: number, onDone: () => void) {
    this.#left = count;
    this.#stepMs = stepMs;
    this.bytes = bytes;
    this.#onDone = onDone;
  }

  step(): boolean {
    for (const endMs = performance.now() + this.#stepMs; performance.now() < endMs; );
    if (--this.#left > 0) return false;
    this.#onDone();
    return true;
  }
}

/** Turns of the event loop until so many jobs are done. */
async function loopTurns(
  count: number,
  bytes: number,
): Promise<{ loops: number; order: number[] }> {
  const turns = new Turns();
  const order: number[] = [];
  for (let i = 0; i < count; i++) turns.add(new Steps(5, 0.05, bytes, () => order.push(i)));
  let loops = 0;
  for (; order.length < count; loops++) await nextTurn();
  return { loops, order };
}

test("jobs are done in order, a little in each turn of the event loop", async () => {
  const { loops, order } = await loopTurns(40, 1000);
  expect(order).toEqual(Array.from({ length: 40 }, (_, i) => i));
  // 10 ms of work; a turn is 0.2 ms.
  expect(loops).toBeGreaterThan(20);
});

test("turns grow with the memory that waits", async () => {
  const { loops } = await loopTurns(40, 64 * 1024 * 1024);
  expect(loops).toBeLessThan(10);
});

test("a queue that was empty starts again", async () => {
  const turns = new Turns();
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => turns.add(new Steps(1, 0, 10, resolve)));
  }
});
