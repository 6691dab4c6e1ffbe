/** The arrival processes, and the one that a rate and a burstiness ask for. */
import { QuantlabError } from "../../base/errors.ts";
import type { ArrivalKind, ArrivalProcess, ArrivalSettings } from "./arrival.ts";
import { burst } from "./burst.ts";
import { constant } from "./constant.ts";
import { gamma } from "./gamma.ts";
import { poisson } from "./poisson.ts";
import { ramp } from "./ramp.ts";

export const arrivals: readonly ArrivalKind[] = [ramp, burst, poisson, constant, gamma];

/** @throws usage when rate or burstiness is not positive */
export function arrivalOf(settings: ArrivalSettings): ArrivalProcess {
  const { requestRate, burstiness } = settings;
  const kind = arrivals.find((candidate) => candidate.accepts(settings));
  if (kind === undefined || !(requestRate > 0) || !(burstiness > 0)) {
    throw new QuantlabError(
      "usage",
      `request rate ${requestRate} with burstiness ${burstiness}: both must be above 0`,
      { hint: "give --request-rate 4 or inf, and --burstiness 1 for Poisson arrivals" },
    );
  }
  return kind.create(settings);
}
