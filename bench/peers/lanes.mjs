// Rounds of visits on lanes: disjoint sets of cores that work side by side, each on a round of its own.
import { remaining } from "./records.mjs";

/**
 * How long a visit of this contender took before, in ms; 0 while nobody knows.
 * @param {readonly {peer: string, format: string, setting: string, group: string, seconds?: number}[]} records
 */
export function expectedMs(visit, records) {
  const before = records.findLast((record) =>
    ["peer", "format", "setting", "group"].every((field) => record[field] === visit[field]),
  );
  return 1e3 * (before?.seconds ?? 0);
}

/**
 * Takes rounds from the queue on every lane until none is left or the time is over. Contenders of a round
 * stay on one lane, one after the other, so that what they are compared with is the same cores.
 * @param {{lanes: (number[] | undefined)[], stopAt: number, retry: boolean, now: () => number,
 *   records: () => object[], probe: Function, measure: Function, save: Function}} run
 *   probe(visit, lane) gives the ceilings, measure(visit, ceilings, lane) its records
 * @returns {Promise<boolean>} whether all rounds are complete
 */
export async function runLanes(rounds, run) {
  const queue = [...rounds];
  const complete = await Promise.all(
    run.lanes.map(async (lane) => {
      let all = true;
      for (let round = queue.shift(); round !== undefined; round = queue.shift()) {
        all = (await runRound(round, lane, run)) && all;
      }
      return all;
    }),
  );
  return complete.every((each) => each);
}

/** A machine drifts: ceilings older than this are measured again before the next visit. */
const freshMs = 10_000;

/** @returns false when time ended before the round */
async function runRound(round, lane, { stopAt, retry, now, records, probe, measure, save }) {
  const left = remaining(round, records(), retry);
  if (left.length === 0) return true;
  if (now() > stopAt) return false;
  const ours = round.find(({ peer }) => peer === "quantlab") ?? round[0];
  let ceilings;
  let probedAt = -Infinity;
  let complete = true;
  for (const visit of left) {
    if (now() + expectedMs(visit, records()) > stopAt) {
      complete = false;
      continue;
    }
    if (now() - probedAt > freshMs) {
      ceilings = await probe(ours, lane);
      probedAt = now();
    }
    save(visit, await measure(visit, ceilings, lane));
  }
  return complete;
}
