// Who is measured when: like formats together, their contenders in turn, order reversed
// every other repeat, so that a drift of the machine falls on all.
import { groups } from "./cells.mjs";

export const families = ["16 bit", "8 bit", "4 bit"];

/**
 * Rounds of visits, which compare what stands in them.
 * @param moreRepeats of settings that are seldom the best, where they are many
 */
export function planRounds(contenders, repeats, moreRepeats = Infinity) {
  const rounds = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const group of groups) {
      for (const family of families) {
        const visits = contenders
          .filter((each) => each.family === family && each.groups.includes(group))
          .filter(({ seldom = false }) => !seldom || repeat <= moreRepeats)
          .map((contender) => {
            const { peer, format, setting } = contender;
            return { contender, peer, family, format, setting, group, repeat };
          });
        if (visits.length > 0) rounds.push(repeat % 2 === 1 ? visits : visits.reverse());
      }
    }
  }
  return rounds;
}
