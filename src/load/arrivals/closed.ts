/** No schedule: a closed loop sends the next request when one is over. */
import type { ArrivalProcess } from "./arrival.ts";

export function closed(concurrency: number): ArrivalProcess {
  return {
    name: "closed",
    description: `closed loop at concurrency ${concurrency}`,
    times: (count) => Array(count).fill(0),
  };
}
