/** Stories that compare amounts: more, fewer, times as many. */
import type { Template } from "../template.ts";

export const comparison: readonly Template[] = [
  {
    id: "comparison/more-and-fewer",
    write(d) {
      const [p, q, r, x] = [d.person(), d.person(), d.person(), d.thing("collectible")];
      const [a, m, less] = [d.integer(5, 60), d.integer(2, 6), d.integer(2, 40)];
      const second = d.times(m, a);
      const third = d.minus(second, less);
      const total = d.plus(a, second, third);
      return {
        question: d.choose([
          `${p.name} has ${a} ${x.many}. ${q.name} has ${d.fold(m)} as many as ${p.name}, and ${r.name} has ${less} fewer than ${q.name}. How many ${x.many} do they have altogether?`,
          `${q.name} owns ${d.fold(m)} as many ${x.many} as ${p.name}. ${r.name} owns ${less} fewer ${x.many} than ${q.name}. If ${p.name} owns ${a}, how many ${x.many} do the three own in total?`,
        ]),
        steps: [
          `${q.name} has ${second} ${x.many}.`,
          `${r.name} has ${third} ${x.many}.`,
          `Together they have ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "comparison/boxes",
    write(d) {
      const [p, q, x] = [d.person(), d.person(), d.thing("stationery")];
      const [a, n, b, m] = [d.integer(2, 15), d.integer(4, 30), d.integer(2, 15), d.integer(4, 30)];
      const first = d.times(a, n);
      const second = d.times(b, m);
      const more = d.minus(first, second);
      return {
        question: d.choose([
          `${p.name} has ${a} boxes of ${n} ${x.many}. ${q.name} has ${b} boxes of ${m} ${x.many}. How many more ${x.many} does ${p.name} have than ${q.name}?`,
          `${p.name} orders ${a} boxes with ${n} ${x.many} each, and ${q.name} orders ${b} boxes with ${m} ${x.many} each. By how many ${x.many} is the order of ${p.name} larger?`,
        ]),
        steps: [
          `${p.name} has ${first} ${x.many}.`,
          `${q.name} has ${second} ${x.many}.`,
          `The difference is ${more} ${x.many}.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "comparison/half-as-many",
    write(d) {
      const [p, q, r, x] = [d.person(), d.person(), d.person(), d.thing("fruit")];
      const [a, k, more] = [d.integer(6, 150), d.among([2, 3, 4]), d.integer(2, 40)];
      const second = d.over(a, k);
      const third = d.plus(second, more);
      const total = d.plus(a, second, third);
      const word = k === 2 ? "half as many" : `1/${k} as many`;
      return {
        question: d.choose([
          `${p.name} picked ${a} ${x.many}. ${q.name} picked ${word} ${x.many} as ${p.name}, and ${r.name} picked ${more} more than ${q.name}. How many ${x.many} did they pick together?`,
          `${d.when()}${p.name} collected ${a} ${x.many}, ${q.name} collected ${word} as ${p.name}, and ${r.name} collected ${more} more than ${q.name}. What is the total number of ${x.many}?`,
        ]),
        steps: [
          `${q.name} has ${second} ${x.many}.`,
          `${r.name} has ${third} ${x.many}.`,
          `Together they have ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "comparison/scores",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [games, more, points, bonus] = [
        d.integer(3, 12),
        d.integer(2, 12),
        d.integer(4, 25),
        d.integer(5, 50),
      ];
      const better = d.plus(points, more);
      const first = d.times(games, points);
      const second = d.times(games, better);
      const withBonus = d.plus(first, bonus);
      const apart = d.minus(second, withBonus);
      return {
        question: d.choose([
          `In each of ${games} games ${p.name} scores ${points} points and ${q.name} scores ${more} points more than ${p.name}. At the end ${p.name} gets a bonus of ${bonus} points. By how many points does ${q.name} win?`,
          `${p.name} scored ${points} points per game and ${q.name} scored ${more} more per game. They played ${games} games, and ${p.name} got ${bonus} extra points. How many more points than ${p.name} does ${q.name} have?`,
        ]),
        steps: [
          `${q.name} scores ${better} points per game.`,
          `${p.name} scores ${first} points in the games.`,
          `${q.name} scores ${second} points.`,
          `With the bonus ${p.name} has ${withBonus} points.`,
          `The difference is ${apart} points.`,
        ],
        answer: apart,
      };
    },
  },
  {
    id: "comparison/heights",
    write(d) {
      const [p, q, r] = [d.person(), d.person(), d.person()];
      const [height, more, less] = [d.integer(100, 180), d.integer(2, 30), d.integer(2, 40)];
      const second = d.plus(height, more);
      const third = d.minus(second, less);
      const mean = d.plus(height, second, third);
      return {
        question: d.choose([
          `${p.name} is ${height} centimeters tall. ${q.name} is ${more} centimeters taller than ${p.name}, and ${r.name} is ${less} centimeters shorter than ${q.name}. What is the sum of their heights in centimeters?`,
          `${q.name} is ${more} centimeters taller than ${p.name} and ${less} centimeters taller than ${r.name}. ${p.name} is ${height} centimeters tall. How many centimeters do the three heights add up to?`,
        ]),
        steps: [
          `${q.name} is ${second} centimeters tall.`,
          `${r.name} is ${third} centimeters tall.`,
          `The sum is ${mean} centimeters.`,
        ],
        answer: mean,
      };
    },
  },
  {
    id: "comparison/legs",
    write(d) {
      const p = d.person();
      const [cows, m, fewer] = [d.integer(3, 40), d.integer(2, 5), d.integer(1, 12)];
      const birds = d.times(m, cows);
      const goats = d.minus(cows, fewer);
      const four = d.plus(cows, goats);
      const big = d.times(4, four);
      const small = d.times(2, birds);
      const total = d.plus(big, small);
      const [a, b, c] = d.choose([
        ["cows", "chickens", "goats"],
        ["horses", "ducks", "sheep"],
        ["goats", "turkeys", "pigs"],
        ["sheep", "geese", "donkeys"],
      ] as const);
      return {
        question: d.choose([
          `${p.name} has ${cows} ${a}, ${d.fold(m)} as many ${b} as ${a}, and ${fewer} fewer ${c} than ${a}. How many legs do all the animals have together?`,
          `On a farm there are ${cows} ${a}. There are ${d.fold(m)} as many ${b} and ${fewer} fewer ${c} than ${a}. How many legs are there on the farm?`,
        ]),
        steps: [
          `There are ${birds} ${b}.`,
          `There are ${goats} ${c}.`,
          `There are ${four} animals with four legs.`,
          `They have ${big} legs.`,
          `The ${b} have ${small} legs.`,
          `Altogether there are ${total} legs.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "comparison/shelves",
    write(d) {
      const [shelves, each, m, lent] = [
        d.integer(2, 9),
        d.integer(8, 40),
        d.integer(2, 4),
        d.integer(5, 90),
      ];
      const first = d.times(shelves, each);
      const second = d.times(m, first);
      const both = d.plus(first, second);
      const left = d.minus(both, lent);
      const [x, y] = d.choose([
        ["novels", "comics"],
        ["cookbooks", "novels"],
        ["poems", "stories"],
        ["maps", "letters"],
        ["films", "albums"],
      ] as const);
      return {
        question: d.choose([
          `A library has ${shelves} shelves with ${each} ${x} each and ${d.fold(m)} as many ${y} as ${x}. ${lent} of all these are lent out. How many are still in the library?`,
          `There are ${each} ${x} on each of ${shelves} shelves in a museum. It has ${d.fold(m)} as many ${y} as ${x}. How many ${x} and ${y} remain when ${lent} of them are given away?`,
        ]),
        steps: [
          `There are ${first} ${x}.`,
          `There are ${second} ${y}.`,
          `Together it is ${both}.`,
          `So ${left} are left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "comparison/points-to-win",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [needed, a, more, rounds] = [
        d.integer(80, 400, 10),
        d.integer(5, 30),
        d.integer(2, 15),
        d.integer(2, 6),
      ];
      const second = d.plus(a, more);
      const both = d.plus(a, second);
      const got = d.times(rounds, both);
      const left = d.minus(needed, got);
      return {
        question: d.choose([
          `A team needs ${needed} points to win. In every round ${p.name} gets ${a} points and ${q.name} gets ${more} more than ${p.name}. How many points does the team still need after ${rounds} rounds?`,
          `${p.name} and ${q.name} play as a team and want ${needed} points. ${p.name} scores ${a} points per round, and ${q.name} scores ${more} points more than that. After ${rounds} rounds, how many points are missing?`,
        ]),
        steps: [
          `${q.name} gets ${second} points per round.`,
          `Together they get ${both} points per round.`,
          `After ${rounds} rounds they have ${got} points.`,
          `They still need ${left} points.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "comparison/remaining-share",
    heldOut: true,
    write(d) {
      const [p, q, r, x] = [d.person(), d.person(), d.person(), d.thing("collectible")];
      const [a, m, c] = [d.integer(4, 40), d.integer(2, 5), d.integer(2, 30)];
      const all = a + m * a + c;
      const second = d.times(m, a);
      const both = d.plus(a, second);
      const third = d.minus(all, both);
      const more = d.minus(second, third);
      return {
        question: `${p.name}, ${q.name} and ${r.name} have ${all} ${x.many} together. ${p.name} has ${a}, and ${q.name} has ${d.fold(m)} as many as ${p.name}. How many more ${x.many} does ${q.name} have than ${r.name}?`,
        steps: [
          `${q.name} has ${second} ${x.many}.`,
          `${p.name} and ${q.name} have ${both} ${x.many}.`,
          `${r.name} has ${third} ${x.many}.`,
          `${q.name} has ${more} more ${x.many}.`,
        ],
        answer: more,
      };
    },
  },
];
