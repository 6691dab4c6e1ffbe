/** Stories about sharing and dividing things up. */
import type { Template } from "../template.ts";

export const sharing: readonly Template[] = [
  {
    id: "sharing/bags-among-friends",
    write(d) {
      const [p, x] = [d.person(), d.thing("sweet")];
      const [bags, each, friends] = [d.integer(2, 12), d.integer(4, 30), d.integer(2, 9)];
      const all = d.times(bags, each);
      const share = d.over(all, friends);
      return {
        question: d.choose([
          `${p.name} has ${bags} bags with ${each} ${x.many} in each bag. ${p.They} shares them equally among ${friends} friends. How many ${x.many} does each friend get?`,
          `There are ${each} ${x.many} in a bag. ${d.when()}${p.name} opened ${bags} bags and divided the ${x.many} evenly between ${friends} friends. How many ${x.many} did each of them receive?`,
        ]),
        steps: [`There are ${all} ${x.many} in total.`, `Each friend gets ${share} ${x.many}.`],
        answer: share,
      };
    },
  },
  {
    id: "sharing/after-eating",
    write(d) {
      const [p, x] = [d.person(), d.thing("sweet")];
      const [all, eaten, given, friends] = [
        d.integer(20, 120),
        d.integer(2, 12),
        d.integer(2, 15),
        d.integer(2, 9),
      ];
      const left = d.minus(all, eaten);
      const rest = d.minus(left, given);
      const share = d.over(rest, friends);
      const q = d.person();
      return {
        question: d.choose([
          `${p.name} baked ${all} ${x.many}. ${p.They} ate ${eaten} of them and gave ${given} to ${q.name}. ${p.They} shared the rest equally among ${friends} neighbors. How many ${x.many} did each neighbor get?`,
          `${d.when()}${p.name} had ${all} ${x.many}. After eating ${eaten} and giving ${given} to ${q.name}, ${p.they} put the remaining ${x.many} equally on ${friends} plates. How many ${x.many} are on each plate?`,
        ]),
        steps: [
          `After eating, ${p.name} has ${left} ${x.many}.`,
          `After giving some to ${q.name}, ${p.they} has ${rest} ${x.many}.`,
          `Each share is ${share} ${x.many}.`,
        ],
        answer: share,
      };
    },
  },
  {
    id: "sharing/gives-multiples",
    write(d) {
      const [p, q, r, x] = [d.person(), d.person(), d.person(), d.thing("collectible")];
      const [all, given, m] = [d.integer(40, 300), d.integer(3, 30), d.integer(2, 5)];
      const second = d.times(m, given);
      const both = d.plus(given, second);
      const left = d.minus(all, both);
      return {
        question: d.choose([
          `${p.name} has ${all} ${x.many}. ${p.They} gives ${given} to ${q.name} and ${d.fold(m)} as many to ${r.name}. How many ${x.many} does ${p.name} have left?`,
          `From a collection of ${all} ${x.many}, ${p.name} gave ${given} ${x.many} to ${q.name}. ${r.name} got ${d.fold(m)} as many as ${q.name}. How many ${x.many} remain in the collection?`,
        ]),
        steps: [
          `${r.name} gets ${second} ${x.many}.`,
          `${p.name} gives away ${both} ${x.many}.`,
          `${p.They} has ${left} ${x.many} left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "sharing/restaurant-bill",
    write(d) {
      const [meals, price, drinks, cost, tip] = [
        d.integer(2, 9),
        d.integer(6, 25),
        d.integer(2, 9),
        d.integer(2, 8),
        d.integer(3, 30),
      ];
      const people = d.integer(2, 8);
      const food = d.times(meals, price);
      const drink = d.times(drinks, cost);
      const total = d.plus(food, drink, tip);
      const share = d.over(total, people);
      const p = d.person();
      return {
        question: d.choose([
          `A group of ${people} friends orders ${meals} meals for $${price} each and ${drinks} drinks for $${cost} each. They leave a tip of $${tip} and split the bill equally. How much does each of them pay?`,
          `${p.name} is one of ${people} people at dinner. They order ${meals} meals at $${price} each and ${drinks} drinks at $${cost} each, and add a $${tip} tip. If everyone pays the same amount, how much does ${p.name} pay?`,
        ]),
        steps: [
          `The meals cost ${food.money}.`,
          `The drinks cost ${drink.money}.`,
          `With the tip the bill is ${total.money}.`,
          `Each person pays ${share.money}.`,
        ],
        answer: share,
      };
    },
  },
  {
    id: "sharing/boxes-to-fill",
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [boxes, size, filled] = [d.integer(6, 40), d.integer(3, 12), d.integer(2, 12)];
      const all = boxes * size;
      const packed = d.times(filled, size);
      const left = d.minus(all, packed);
      const more = d.over(left, size);
      return {
        question: d.choose([
          `${p.name} has ${all} ${x.many} to pack into boxes that hold ${size} ${x.many} each. ${p.They} has already filled ${filled} boxes. How many more boxes does ${p.they} need?`,
          `A workshop must pack ${all} ${x.many}. Each box holds ${size} of them, and ${p.name} has filled ${filled} boxes so far. How many boxes are still to be filled?`,
        ]),
        steps: [
          `The filled boxes hold ${packed} ${x.many}.`,
          `There are ${left} ${x.many} left to pack.`,
          `${p.name} needs ${more} more boxes.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "sharing/pooled",
    write(d) {
      const [p, q, x] = [d.person(), d.person(), d.thing("collectible")];
      const [a, more, children] = [d.integer(8, 80), d.integer(2, 40), d.integer(2, 9)];
      const second = d.plus(a, more);
      const all = d.plus(a, second);
      const share = d.over(all, children);
      return {
        question: d.choose([
          `${p.name} has ${a} ${x.many} and ${q.name} has ${more} more than ${p.name}. They put their ${x.many} together and share them equally among ${children} children. How many does each child get?`,
          `${q.name} collected ${more} more ${x.many} than ${p.name}, who collected ${a}. They divide all of the ${x.many} evenly among ${children} cousins. How many ${x.many} does each cousin receive?`,
        ]),
        steps: [
          `${q.name} has ${second} ${x.many}.`,
          `Together they have ${all} ${x.many}.`,
          `Each child gets ${share} ${x.many}.`,
        ],
        answer: share,
      };
    },
  },
  {
    id: "sharing/class-supplies",
    write(d) {
      const [p, x] = [d.person(), d.thing("stationery")];
      const [classes, students, each, have] = [
        d.integer(2, 6),
        d.integer(12, 30),
        d.integer(2, 6),
        d.integer(10, 150),
      ];
      const all = d.times(classes, students);
      const needed = d.times(all, each);
      const more = d.minus(needed, have);
      return {
        question: d.choose([
          `${p.name} teaches ${classes} classes with ${students} students each. ${p.They} wants to give every student ${each} ${x.many} and already has ${have}. How many more ${x.many} does ${p.they} need?`,
          `A school has ${classes} classes of ${students} students. Every student should get ${each} ${x.many}. There are ${have} ${x.many} in the closet. How many ${x.many} must the school still buy?`,
        ]),
        steps: [
          `There are ${all} students.`,
          `They need ${needed} ${x.many}.`,
          `So ${more} more ${x.many} are needed.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "sharing/ratio",
    write(d) {
      const [p, q, x] = [d.person(), d.person(), d.thing("collectible")];
      const [a, b, part] = [d.integer(3, 9), d.integer(1, 6), d.integer(3, 30)];
      const all = (a + b) * part;
      const parts = d.plus(a, b);
      const one = d.over(all, parts);
      const first = d.times(a, one);
      const second = d.times(b, one);
      const more = d.minus(first, second);
      return {
        question: d.choose([
          `${p.name} and ${q.name} share ${all} ${x.many} in the ratio ${a}:${b}. How many more ${x.many} does ${p.name} get than ${q.name}?`,
          `${all} ${x.many} are divided between ${p.name} and ${q.name} in the ratio ${a}:${b}. How many ${x.many} more than ${q.name} does ${p.name} have?`,
        ]),
        steps: [
          `There are ${parts} parts.`,
          `Each part is ${one} ${x.many}.`,
          `${p.name} gets ${first} ${x.many}.`,
          `${q.name} gets ${second} ${x.many}.`,
          `${p.name} gets ${more} more ${x.many}.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "sharing/harvest",
    heldOut: true,
    write(d) {
      const [p, x] = [d.person(), d.thing("fruit")];
      const [trees, each, kept, baskets] = [
        d.integer(3, 12),
        d.integer(10, 40),
        d.integer(5, 40),
        d.integer(2, 9),
      ];
      const all = d.times(trees, each);
      const rest = d.minus(all, kept);
      const share = d.over(rest, baskets);
      return {
        question: `${p.name} picks ${each} ${x.many} from each of ${trees} trees. ${p.They} keeps ${kept} ${x.many} for ${p.their} family and places the others in ${baskets} baskets with the same number in each. How many ${x.many} are in one basket?`,
        steps: [
          `${p.name} picks ${all} ${x.many}.`,
          `After keeping some, ${p.they} has ${rest} ${x.many}.`,
          `Each basket holds ${share} ${x.many}.`,
        ],
        answer: share,
      };
    },
  },
];
