/** Work that can wait, done in short turns between reads of the sockets. */

/** A piece of work that can be done bit by bit. */
export interface TurnJob {
  /** Memory that it holds until it is done. */
  readonly bytes: number;
  /** A few microseconds of work. @returns whether it is done */
  step(): boolean;
}

/** How long a stamp may wait for a turn. */
const turnMs = 0.2;
/** With so much waiting a turn takes twice as long, and so on: memory stays bounded. */
const calmBytes = 16 * 1024 * 1024;

/**
 * One job after another, first come first served. However many answers end at the same moment, what
 * is left of their work delays the reading of other answers by one turn at most.
 */
export class Turns {
  readonly #jobs: TurnJob[] = [];
  /** Jobs before this one are done. */
  #first = 0;
  #waitingBytes = 0;

  add(job: TurnJob): void {
    this.#jobs.push(job);
    this.#waitingBytes += job.bytes;
    if (this.#jobs.length - this.#first === 1) setImmediate(() => this.#turn());
  }

  #turn(): void {
    const limitMs = turnMs * (1 + this.#waitingBytes / calmBytes);
    const endMs = performance.now() + limitMs;
    do {
      const job = this.#jobs[this.#first];
      if (job === undefined) break;
      if (job.step()) this.#drop(job);
    } while (performance.now() < endMs);
    if (this.#first < this.#jobs.length) setImmediate(() => this.#turn());
  }

  #drop(job: TurnJob): void {
    this.#first++;
    this.#waitingBytes -= job.bytes;
    // Moved up now and then only: doing it each time would cost the square of their number.
    if (this.#first * 2 < this.#jobs.length) return;
    this.#jobs.splice(0, this.#first);
    this.#first = 0;
  }
}
