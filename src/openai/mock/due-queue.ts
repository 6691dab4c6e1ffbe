/** Things by when they are due: a binary heap, and the timer that wakes for the first of them. */

export interface Due {
  /** On the clock of performance.now(). */
  dueMs: number;
}

/** Least due time first. */
export class DueQueue<T extends Due> {
  readonly #heap: T[] = [];

  get first(): T | undefined {
    return this.#heap[0];
  }

  push(item: T): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.dueMs <= item.dueMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  pop(): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let child = left;
      if (right < heap.length && dueOf(heap[right]) < dueOf(heap[left])) child = right;
      const below = heap[child];
      if (child >= heap.length || below === undefined || below.dueMs >= last.dueMs) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function dueOf(item: Due | undefined): number {
  return item?.dueMs ?? Number.POSITIVE_INFINITY;
}

/** Timers round to milliseconds: the last stretch before a due time is waited for actively. */
const activeWaitMs = 1.5;
/** Some 0.3 ms of writing. */
const mostATurn = 64;

/** Calls `run` for each item when it is due, never before; some microseconds late on a free core. */
export class Ticker<T extends Due> {
  readonly #queue = new DueQueue<T>();
  readonly #run: (item: T, nowMs: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #immediate: NodeJS.Immediate | undefined;
  #isStopped = false;

  constructor(run: (item: T, nowMs: number) => void) {
    this.#run = run;
  }

  schedule(item: T): void {
    this.#queue.push(item);
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #arm(): void {
    const first = this.#queue.first;
    if (first === undefined || this.#isStopped || this.#immediate !== undefined) return;
    const leftMs = first.dueMs - performance.now();
    if (leftMs <= activeWaitMs) {
      this.#immediate = setImmediate(() => this.#turn());
      return;
    }
    if (this.#timer !== undefined && this.#timerMs <= first.dueMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = first.dueMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#arm();
      },
      Math.floor(leftMs - activeWaitMs / 2),
    );
  }

  /** What is due now, but not for so long that requests wait to be read. */
  #turn(): void {
    this.#immediate = undefined;
    for (let count = 0; count < mostATurn; count++) {
      const nowMs = performance.now();
      const first = this.#queue.first;
      if (first === undefined || first.dueMs > nowMs) break;
      this.#queue.pop();
      this.#run(first, nowMs);
    }
    this.#arm();
  }
}
