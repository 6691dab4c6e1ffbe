/** Stories about halves, thirds and other parts. */
import type { Template } from "../template.ts";

const part = ["", "", "half", "a third", "a quarter", "a fifth", "a sixth"];

export const fractions: readonly Template[] = [
  {
    id: "fractions/ate-and-gave",
    write(d) {
      const [p, q, x] = [d.person(), d.person(), d.thing("sweet")];
      const [all, k, given] = [d.integer(12, 160), d.among([2, 3, 4, 5, 6]), d.integer(2, 20)];
      const eaten = d.over(all, k);
      const rest = d.minus(all, eaten);
      const left = d.minus(rest, given);
      return {
        question: d.choose([
          `${p.name} had ${all} ${x.many}. ${p.They} ate ${part[k]} of them and gave ${given} to ${q.name}. How many ${x.many} does ${p.they} have left?`,
          `${d.when()}${p.name} baked ${all} ${x.many}. ${part[k]?.replace(/^./, (letter) => letter.toUpperCase())} of the ${x.many} were eaten the same day, and ${q.name} took ${given} home. How many ${x.many} were left?`,
        ]),
        steps: [
          `The number eaten is ${eaten} ${x.many}.`,
          `Then there were ${rest} ${x.many}.`,
          `After giving some to ${q.name}, ${left} ${x.many} are left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "fractions/part-of-the-rest",
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [all, a, b] = [d.integer(12, 240), d.integer(2, 6), d.integer(2, 6)];
      const first = d.over(all, a);
      const rest = d.minus(all, first);
      const second = d.over(rest, b);
      const left = d.minus(rest, second);
      return {
        question: d.choose([
          `${p.name} made ${all} ${x.many}. ${p.They} sold 1/${a} of them on Saturday and 1/${b} of the rest on Sunday. How many ${x.many} are left?`,
          `A shop had ${all} ${x.many}. It sold 1/${a} of them in the morning and 1/${b} of the remaining ${x.many} in the afternoon. How many ${x.many} were not sold?`,
        ]),
        steps: [
          `First ${first} ${x.many} were sold.`,
          `Then ${rest} ${x.many} remained.`,
          `Next ${second} ${x.many} were sold.`,
          `So ${left} ${x.many} are left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "fractions/several-parts",
    write(d) {
      const x = d.thing("flower");
      const [all, k] = [d.integer(12, 300), d.among([3, 4, 5, 6, 8])];
      const parts = k - d.integer(1, k > 3 ? 2 : 1);
      const one = d.over(all, k);
      const some = d.times(parts, one);
      const others = d.minus(all, some);
      const [first, second] = d.choose([
        ["red", "white"],
        ["yellow", "pink"],
        ["white", "purple"],
        ["pink", "red"],
      ] as const);
      return {
        question: d.choose([
          `A garden has ${all} ${x.many}. ${parts}/${k} of them are ${first} and the rest are ${second}. How many ${x.many} are ${second}?`,
          `Of the ${all} ${x.many} in a park, ${parts}/${k} are ${first}. The others are ${second}. How many ${second} ${x.many} are there?`,
        ]),
        steps: [
          `One part is ${one} ${x.many}.`,
          `There are ${some} ${first} ${x.many}.`,
          `There are ${others} ${second} ${x.many}.`,
        ],
        answer: others,
      };
    },
  },
  {
    id: "fractions/recipe",
    write(d) {
      const [p, x] = [d.person(), d.thing("sweet")];
      const [flour, makes, m, sugar] = [
        d.integer(2, 12),
        d.integer(6, 30),
        d.integer(2, 9),
        d.integer(1, 6),
      ];
      const wanted = makes * m;
      const recipes = d.over(wanted, makes);
      const flours = d.times(flour, recipes);
      const sugars = d.times(sugar, recipes);
      const total = d.plus(flours, sugars);
      return {
        question: d.choose([
          `A recipe for ${makes} ${x.many} needs ${flour} cups of flour and ${sugar} cups of sugar. ${p.name} wants to make ${wanted} ${x.many}. How many cups of flour and sugar does ${p.they} need in total?`,
          `To bake ${makes} ${x.many}, ${p.name} uses ${flour} cups of flour and ${sugar} cups of sugar. How many cups of both together does ${p.they} need for ${wanted} ${x.many}?`,
        ]),
        steps: [
          `${p.name} makes the recipe ${recipes} times.`,
          `That takes ${flours} cups of flour.`,
          `It takes ${sugars} cups of sugar.`,
          `In total it is ${total} cups.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "fractions/part-of-part",
    write(d) {
      const [all, a, b] = [d.integer(24, 360), d.integer(2, 6), d.integer(2, 6)];
      const first = d.over(all, a);
      const second = d.over(first, b);
      const others = d.minus(first, second);
      const [group, some, kind] = d.choose([
        ["students in a school", "play an instrument", "play the piano"],
        ["members of a club", "like to swim", "swim in races"],
        ["books in a library", "are novels", "are written in French"],
        ["cars in a parking lot", "are electric", "are painted blue"],
        ["animals on a farm", "are birds", "are ducks"],
      ] as const);
      return {
        question: d.choose([
          `There are ${all} ${group}. 1/${a} of them ${some}, and 1/${b} of those ${kind}. How many of those that ${some} are not among the ones that ${kind}?`,
          `Of ${all} ${group}, 1/${a} ${some}. Of these, 1/${b} ${kind} but the others are different. How many are these others?`,
        ]),
        steps: [
          `There are ${first} that ${some}.`,
          `Of these, ${second} ${kind}.`,
          `The others are ${others}.`,
        ],
        answer: others,
      };
    },
  },
  {
    id: "fractions/half-as-many",
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [sold, k, more] = [d.integer(8, 200), d.integer(2, 4), d.integer(3, 50)];
      const second = d.over(sold, k);
      const third = d.plus(second, more);
      const total = d.plus(sold, second, third);
      const word = k === 2 ? "half as many" : `${part[k]} as many`;
      const [one, two, three] = d.choose([
        ["January", "February", "March"],
        ["June", "July", "August"],
        ["the first week", "the second week", "the third week"],
      ] as const);
      return {
        question: d.choose([
          `In ${one} ${p.name} sold ${sold} ${x.many}. In ${two} ${p.they} sold ${word}, and in ${three} ${more} more than in ${two}. How many ${x.many} did ${p.they} sell in total?`,
          `${p.name} made ${sold} ${x.many} in ${one} and ${word} in ${two}. In ${three} ${p.they} made ${more} more ${x.many} than in ${two}. What was the total?`,
        ]),
        steps: [
          `In ${two} the number was ${second} ${x.many}.`,
          `In ${three} it was ${third} ${x.many}.`,
          `The total is ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "fractions/part-full-tank",
    write(d) {
      const [k, quarter, flow] = [d.among([2, 3, 4, 5]), d.integer(6, 90), d.integer(2, 15)];
      const volume = k * quarter;
      const has = d.over(volume, k);
      const missing = d.minus(volume, has);
      const minutes = d.over(missing, flow);
      const container = d.choose(["tank", "barrel", "pool", "pond"]);
      return {
        question: d.choose([
          `A ${container} that holds ${volume} liters is 1/${k} full. Water flows in at ${flow} liters per minute. After how many minutes is the ${container} full?`,
          `The ${container} holds ${volume} liters and 1/${k} of it is filled already. How many minutes does it take to fill the rest at ${flow} liters a minute?`,
        ]),
        steps: [
          `There are ${has} liters in the ${container}.`,
          `So ${missing} liters are missing.`,
          `It takes ${minutes} minutes.`,
        ],
        answer: minutes,
      };
    },
  },
  {
    id: "fractions/farm-land",
    write(d) {
      const [p, x, y] = [d.person(), d.thing("vegetable"), d.thing("vegetable")];
      const [all, a, b, rent] = [
        d.integer(24, 360),
        d.integer(2, 5),
        d.integer(3, 6),
        d.integer(2, 9),
      ];
      const first = d.over(all, a);
      const second = d.over(all, b);
      const rest = d.minus(all, first, second);
      const income = d.times(rest, rent);
      return {
        question: d.choose([
          `${p.name} owns ${all} acres. ${p.They} plants ${x.many} on 1/${a} of the land and ${y.many} on 1/${b} of the land. ${p.They} rents out the rest for $${rent} per acre. How much rent does ${p.they} get?`,
          `On a farm of ${all} acres, 1/${a} of the land grows ${x.many} and 1/${b} of the land grows ${y.many}. The remaining land is rented to ${p.name} at $${rent} an acre. How much does ${p.name} pay?`,
        ]),
        steps: [
          `The ${x.many} take ${first} acres.`,
          `The ${y.many} take ${second} acres.`,
          `There are ${rest} acres left.`,
          `The rent is ${income.money}.`,
        ],
        answer: income,
      };
    },
  },
  {
    id: "fractions/ribbon",
    heldOut: true,
    write(d) {
      const p = d.person();
      const [length, a, b, piece] = [
        d.integer(40, 400, 4),
        d.integer(2, 5),
        d.integer(2, 4),
        d.integer(3, 12),
      ];
      const bow = d.over(length, a);
      const rest = d.minus(length, bow);
      const box = d.over(rest, b);
      const left = d.minus(rest, box);
      const pieces = d.over(left, piece);
      return {
        question: `${p.name} has a ribbon of ${length} centimeters. ${p.They} uses 1/${a} of it for a bow and 1/${b} of the remaining ribbon for a box. The rest is cut into pieces of ${piece} centimeters. How many pieces are there?`,
        steps: [
          `The bow takes ${bow} centimeters.`,
          `Then ${rest} centimeters remain.`,
          `The box takes ${box} centimeters.`,
          `Then ${left} centimeters are left.`,
          `That gives ${pieces} pieces.`,
        ],
        answer: pieces,
      };
    },
  },
];
