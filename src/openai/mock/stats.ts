/** What a mock server knows of its own lateness, so that it can be told from the client's. */

/** Machine times are of the monotonic clock that every process of this machine shares. */
export interface MockStats {
  readonly requests: number;
  readonly events: number;
  /** Sum over requests of when they arrived, machine ms. */
  readonly arrivedSumMs: number;
  /** Sum over requests of when their first event was written, machine ms. */
  readonly firstWrittenSumMs: number;
  /** Written minus due, over all events. */
  readonly lateMs: { readonly mean: number; readonly p99: number; readonly max: number };
  /** Processor time of the server's process since the last reset. */
  readonly cpuMs: number;
}

const bucketsPerMs = 20;
const mostMs = 2_000;

/** Adds up; the lateness of each event falls into a bucket of 0.05 ms. */
export class StatsRecorder {
  #requests = 0;
  #events = 0;
  #arrivedSumMs = 0;
  #firstWrittenSumMs = 0;
  #lateSumMs = 0;
  #lateMaxMs = 0;
  #late = new Uint32Array(bucketsPerMs * mostMs + 1);
  #cpu = process.cpuUsage();

  first(arrivedMachineMs: number, writtenMachineMs: number): void {
    this.#requests++;
    this.#arrivedSumMs += arrivedMachineMs;
    this.#firstWrittenSumMs += writtenMachineMs;
  }

  event(lateMs: number): void {
    this.#events++;
    this.#lateSumMs += lateMs;
    this.#lateMaxMs = Math.max(this.#lateMaxMs, lateMs);
    const bucket = Math.min(this.#late.length - 1, Math.floor(lateMs * bucketsPerMs));
    this.#late[bucket] = (this.#late[bucket] ?? 0) + 1;
  }

  read(): MockStats {
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      requests: this.#requests,
      events: this.#events,
      arrivedSumMs: this.#arrivedSumMs,
      firstWrittenSumMs: this.#firstWrittenSumMs,
      lateMs: {
        mean: this.#events === 0 ? 0 : this.#lateSumMs / this.#events,
        p99: this.#quantile(0.99),
        max: this.#lateMaxMs,
      },
      cpuMs: (user + system) / 1e3,
    };
  }

  reset(): void {
    this.#requests = 0;
    this.#events = 0;
    this.#arrivedSumMs = 0;
    this.#firstWrittenSumMs = 0;
    this.#lateSumMs = 0;
    this.#lateMaxMs = 0;
    this.#late.fill(0);
    this.#cpu = process.cpuUsage();
  }

  /** Upper edge of the bucket in which it lies. */
  #quantile(q: number): number {
    let left = Math.ceil(this.#events * q);
    for (const [bucket, count] of this.#late.entries()) {
      left -= count;
      if (left <= 0) return this.#events === 0 ? 0 : (bucket + 1) / bucketsPerMs;
    }
    return mostMs;
  }
}
