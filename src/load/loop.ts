/** When requests are sent: an open loop on a schedule, a closed loop at fixed concurrency. Knows no HTTP. */
import type { Clock } from "../base/clock.ts";
import type { FrozenRequest } from "./request.ts";

export interface LoopContext {
  readonly clock: Clock;
  /** The cell's start on the clock. */
  readonly originMs: number;
  /** Once aborted nothing more is sent; what is in flight is waited for. */
  readonly stop: AbortSignal;
  /** Sends a request and settles when it is over; never rejects. */
  send(request: FrozenRequest, intendedMs: number): Promise<void>;
}

/**
 * Sends each request at its intended time, counted from the start and not from the one before, so
 * that a late one delays no other. With a cap a request waits, in order, for a free place; that it
 * waited shows as sent minus intended. Settles when all that were sent are over.
 */
export async function openLoop(
  requests: readonly FrozenRequest[],
  context: LoopContext,
  maxConcurrency = Number.POSITIVE_INFINITY,
): Promise<void> {
  const places = new Places(maxConcurrency);
  const inFlight: Promise<void>[] = [];
  for (const request of requests.toSorted((a, b) => a.intendedMs - b.intendedMs)) {
    await context.clock.sleepUntil(context.originMs + request.intendedMs, context.stop);
    await places.take();
    if (context.stop.aborted) break;
    inFlight.push(context.send(request, request.intendedMs).finally(() => places.giveBack()));
  }
  await Promise.all(inFlight);
}

/**
 * Keeps `concurrency` requests in flight: the next is sent when one is over. A request is intended
 * for the moment in which its place became free.
 */
export async function closedLoop(
  requests: readonly FrozenRequest[],
  context: LoopContext,
  concurrency: number,
): Promise<void> {
  const queue = requests.values();
  const worker = async () => {
    // The iterator is shared: each request goes to exactly one worker.
    for (const request of queue) {
      if (context.stop.aborted) return;
      await context.send(request, context.clock.nowMs() - context.originMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** Counting semaphore for one waiter at a time. */
class Places {
  #free: number;
  #wake: (() => void) | undefined;

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    if (this.#free === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#free--;
  }

  giveBack(): void {
    this.#free++;
    this.#wake?.();
    this.#wake = undefined;
  }
}
