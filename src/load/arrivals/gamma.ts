/** Gaps from a gamma distribution: burstiness below 1 clumps requests, above 1 spaces them out. */
import type { ArrivalKind } from "./arrival.ts";
import { scheduleOf } from "./arrival.ts";

export const gamma = {
  name: "gamma",
  accepts: ({ requestRate, burstiness }) =>
    Number.isFinite(requestRate) && Number.isFinite(burstiness) && burstiness !== 1,
  create: ({ requestRate, burstiness }) => ({
    name: "gamma",
    description: `gamma gaps at ${requestRate} requests/s, burstiness ${burstiness}`,
    // The scale of the gaps cancels out in scheduleOf; only their shape counts.
    times: (count, random) =>
      scheduleOf(
        Array.from({ length: count }, () => random.gamma(burstiness)),
        requestRate,
      ),
  }),
} as const satisfies ArrivalKind;
