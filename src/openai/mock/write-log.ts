/** When the mock server wrote each event: with it a client's stamp can be told from the server's lateness. */

/** Times of one request's events, on the machine's monotonic clock. */
export type WriteTimes = readonly number[];

/**
 * Requests are known by the first token id of their prompt, which both sides know. Off until a
 * capacity is given, so that a server of hours keeps nothing.
 */
export class WriteLog {
  readonly #offsetMs: number;
  #left = 0;
  #times = new Map<number, number[]>();

  /** @param offsetMs from performance.now() to the machine's clock */
  constructor(offsetMs: number) {
    this.#offsetMs = offsetMs;
  }

  /** Forgets what it has, and keeps the next `requests`. */
  reset(requests: number): void {
    this.#left = requests;
    this.#times = new Map();
  }

  /** A place for the times of a request; undefined where they are not wanted. */
  open(key: number | undefined): ((atMs: number) => void) | undefined {
    if (this.#left === 0 || key === undefined) return undefined;
    this.#left--;
    const times: number[] = [];
    this.#times.set(key, times);
    return (atMs) => times.push(atMs + this.#offsetMs);
  }

  read(): Readonly<Record<string, WriteTimes>> {
    return Object.fromEntries(this.#times);
  }
}
