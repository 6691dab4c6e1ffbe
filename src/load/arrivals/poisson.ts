/** A Poisson process: exponential gaps, the traffic of many independent users. */
import type { ArrivalKind } from "./arrival.ts";
import { scheduleOf } from "./arrival.ts";

export const poisson = {
  name: "poisson",
  accepts: ({ requestRate, burstiness }) => Number.isFinite(requestRate) && burstiness === 1,
  create: ({ requestRate }) => ({
    name: "poisson",
    description: `poisson at ${requestRate} requests/s`,
    times: (count, random) =>
      scheduleOf(
        Array.from({ length: count }, () => random.exponential()),
        requestRate,
      ),
  }),
} as const satisfies ArrivalKind;
