/** Everything at once (rate "inf"): the server decides how many it runs. */
import type { ArrivalKind } from "./arrival.ts";

export const burst = {
  name: "burst",
  accepts: ({ requestRate }) => requestRate === Number.POSITIVE_INFINITY,
  create: () => ({
    name: "burst",
    description: "all at once (rate inf)",
    times: (count) => Array(count).fill(0),
  }),
} as const satisfies ArrivalKind;
