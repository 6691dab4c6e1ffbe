/** Equal gaps: a metronome. */
import type { ArrivalKind } from "./arrival.ts";
import { scheduleOf } from "./arrival.ts";

export const constant = {
  name: "constant",
  accepts: ({ requestRate, burstiness }) =>
    Number.isFinite(requestRate) && burstiness === Number.POSITIVE_INFINITY,
  create: ({ requestRate }) => ({
    name: "constant",
    description: `constant gaps at ${requestRate} requests/s`,
    times: (count) => scheduleOf(Array(count).fill(1), requestRate),
  }),
} as const satisfies ArrivalKind;
