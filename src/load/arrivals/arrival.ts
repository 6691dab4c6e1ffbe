/** What an arrival process is: when requests are to be sent, drawn before the cell starts. */
import type { Random } from "../../base/random.ts";

export interface ArrivalProcess {
  readonly name: string;
  /** With its parameters, for people: "poisson at 4 requests/s". */
  readonly description: string;
  /** Offsets from the start of the cell in ms, ascending. */
  times(count: number, random: Random): number[];
}

/** What chooses a process, in the words of `vllm bench serve`. */
export interface ArrivalSettings {
  /** Requests per second; Infinity sends everything at once. */
  readonly requestRate: number;
  /** Shape of the gamma distribution of the gaps: 1 is Poisson, Infinity constant. */
  readonly burstiness: number;
  /** Replaces the rate by one that changes. */
  readonly ramp?: RampSettings | undefined;
}

/** vLLM's --ramp-up-strategy, --ramp-up-start-rps and --ramp-up-end-rps. */
export interface RampSettings {
  readonly strategy: "linear" | "exponential";
  readonly startRps: number;
  readonly endRps: number;
}

/** An entry of the registry. */
export interface ArrivalKind {
  readonly name: string;
  accepts(settings: ArrivalSettings): boolean;
  create(settings: ArrivalSettings): ArrivalProcess;
}

/**
 * Gaps to offsets by vLLM's rule: the cumulative gaps are scaled so that the last request is
 * intended at exactly count / rate. Any draw then offers exactly the rate that was asked for, and
 * two seeds differ in pattern, not in load. The first request waits its gap like every other.
 */
export function scheduleOf(gaps: readonly number[], requestRate: number): number[] {
  const last = gaps.reduce((total, gap) => total + gap, 0);
  const lengthMs = (gaps.length / requestRate) * 1e3;
  let elapsed = 0;
  return gaps.map((gap, i) => {
    elapsed += gap;
    // The last is set, not computed: rounding must not move it.
    return i === gaps.length - 1 ? lengthMs : Math.min(lengthMs, (elapsed / last) * lengthMs);
  });
}
