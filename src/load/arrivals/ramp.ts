/** A rate that climbs (or falls) over the requests: where does a server begin to queue? */
import type { ArrivalKind, RampSettings } from "./arrival.ts";

/** Requests per second at `progress` 0..1 through the requests: a function of their number, as in vLLM. */
export function rateAt({ strategy, startRps, endRps }: RampSettings, progress: number): number {
  return strategy === "linear"
    ? startRps + (endRps - startRps) * progress
    : startRps * (endRps / startRps) ** progress;
}

export const ramp = {
  name: "ramp",
  accepts: (settings) => settings.ramp !== undefined,
  create: ({ ramp: wanted, burstiness }) => {
    const settings = wanted ?? { strategy: "linear", startRps: 1, endRps: 1 };
    const { strategy, startRps, endRps } = settings;
    const shape = burstiness === 1 ? "" : `, burstiness ${burstiness}`;
    return {
      name: "ramp",
      description: `${strategy} ramp from ${startRps} to ${endRps} requests/s${shape}`,
      // Not scaled to an end: the rate is what is asked for, at every request.
      times: (count, random) => {
        let elapsedMs = 0;
        return Array.from({ length: count }, (_, index) => {
          const rate = rateAt(settings, count < 2 ? 0 : index / (count - 1));
          // A gamma variate of shape b has mean b.
          const gap = Number.isFinite(burstiness) ? random.gamma(burstiness) / burstiness : 1;
          elapsedMs += (gap / rate) * 1e3;
          return elapsedMs;
        });
      },
    };
  },
} as const satisfies ArrivalKind;
