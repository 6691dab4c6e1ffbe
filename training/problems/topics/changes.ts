/** Stories in which one amount changes again and again: two to five random events. */
import type { Draft, Template } from "../template.ts";
import type { Draw, Operand, Result } from "../draw.ts";

/** One event: what the question says, and what it does to the amount. */
interface Happening {
  readonly says: string;
  readonly after: (amount: Operand) => Result;
}

/** Tells `events` in order, one step each. */
function tell(
  start: number,
  events: readonly Happening[],
  words: { opening: string; asked: string; now: (amount: Result) => string },
): Draft {
  const steps: string[] = [];
  let amount: Operand = start;
  let last: Result | undefined;
  for (const event of events) {
    last = event.after(amount);
    amount = last;
    steps.push(words.now(last));
  }
  if (last === undefined) throw new Error("a story needs an event");
  const question = [words.opening, ...events.map((event) => event.says), words.asked].join(" ");
  return { question, steps, answer: last };
}

/** `count` events, each made by one of `kinds`; the kind counts as a number of the story. */
function happenings(d: Draw, count: number, kinds: readonly (() => Happening)[]): Happening[] {
  return Array.from({ length: count }, () => {
    const kind = d.kind(kinds);
    return kind();
  });
}

export const changes: readonly Template[] = [
  {
    id: "changes/collection",
    write(d) {
      const [p, x] = [d.person(), d.thing("collectible")];
      const start = d.integer(5, 90);
      const add = (): Happening => {
        const n = d.integer(2, 60);
        const q = d.person().name;
        return {
          says: d.choose([
            `${q} gives ${p.them} ${n} more.`,
            `Then ${p.they} buys ${n} more.`,
            `${p.They} finds ${n} more.`,
          ]),
          after: (amount) => d.plus(amount, n),
        };
      };
      const drop = (): Happening => {
        const n = d.integer(2, 40);
        const q = d.person().name;
        return {
          says: d.choose([
            `${p.They} gives ${n} to ${q}.`,
            `Then ${p.they} loses ${n}.`,
            `${p.They} sells ${n} of them.`,
          ]),
          after: (amount) => d.minus(amount, n),
        };
      };
      const multiply = (): Happening => {
        const m = d.integer(2, 3);
        return {
          says:
            m === 2
              ? `Then ${p.they} doubles ${p.their} collection.`
              : `Then ${p.they} triples ${p.their} collection.`,
          after: (amount) => d.times(m, amount),
        };
      };
      const halve = (): Happening => ({
        says: `${p.They} gives away half of them.`,
        after: (amount) => d.over(amount, 2),
      });
      return tell(start, happenings(d, d.events(2, 5), [add, drop, multiply, halve]), {
        opening: d.choose([
          `${p.name} has ${start} ${x.many}.`,
          `${p.name} starts with ${start} ${x.many}.`,
        ]),
        asked: `How many ${x.many} does ${p.name} have now?`,
        now: (amount) => `Now ${p.name} has ${amount} ${x.many}.`,
      });
    },
  },
  {
    id: "changes/bus",
    write(d) {
      const start = d.integer(5, 40);
      const vehicle = d.choose(["bus", "train", "tram", "ferry"]);
      const stop = (): Happening => {
        const [off, on] = [d.integer(2, 20), d.integer(2, 20)];
        const each = d.choose(["At the next stop", "Then", "After that"]);
        return {
          says: d.choose([
            `${each} ${off} people get off and ${on} people get on.`,
            `${each} ${on} passengers get on and ${off} get off.`,
          ]),
          after: (amount) => d.calculate(amount, "-", off, "+", on),
        };
      };
      return tell(start, happenings(d, d.events(2, 5), [stop]), {
        opening: d.choose([
          `A ${vehicle} leaves with ${start} people.`,
          `There are ${start} passengers on a ${vehicle}.`,
        ]),
        asked: d.choose([
          `How many people are on the ${vehicle} now?`,
          `How many passengers does the ${vehicle} have in the end?`,
        ]),
        now: (amount) => `Then there are ${amount} people on the ${vehicle}.`,
      });
    },
  },
  {
    id: "changes/bakery-stock",
    write(d) {
      const x = d.thing("sweet");
      const start = d.integer(20, 120);
      const sold = (): Happening => {
        const [customers, each] = [d.integer(2, 9), d.integer(2, 6)];
        return {
          says: `${customers} customers buy ${each} ${x.many} each.`,
          after: (amount) => d.calculate(amount, "-", customers, "*", each),
        };
      };
      const baked = (): Happening => {
        const [trays, each] = [d.integer(2, 6), d.integer(4, 12)];
        return {
          says: `The baker adds ${trays} trays with ${each} ${x.many} each.`,
          after: (amount) => d.calculate(amount, "+", trays, "*", each),
        };
      };
      const spoiled = (): Happening => {
        const n = d.integer(2, 12);
        return { says: `${n} ${x.many} fall on the floor.`, after: (amount) => d.minus(amount, n) };
      };
      return tell(start, happenings(d, d.events(2, 4), [sold, sold, baked, spoiled]), {
        opening: d.choose([
          `A bakery has ${start} ${x.many}.`,
          `In the morning there are ${start} ${x.many} in a bakery.`,
        ]),
        asked: `How many ${x.many} does the bakery have then?`,
        now: (amount) => `There are ${amount} ${x.many} now.`,
      });
    },
  },
  {
    id: "changes/wallet",
    write(d) {
      const p = d.person();
      const start = d.integer(20, 200);
      const earn = (): Happening => {
        const [hours, wage] = [d.integer(2, 8), d.integer(5, 15)];
        return {
          says: `${p.They} works ${hours} hours for $${wage} an hour.`,
          after: (amount) => d.calculate(amount, "+", hours, "*", wage),
        };
      };
      const spend = (): Happening => {
        const [n, x] = [d.integer(3, 60), d.thing("gift").one];
        return { says: `${p.They} buys a ${x} for $${n}.`, after: (amount) => d.minus(amount, n) };
      };
      const gift = (): Happening => {
        const n = d.integer(5, 50);
        return {
          says: `${d.person().name} gives ${p.them} $${n}.`,
          after: (amount) => d.plus(amount, n),
        };
      };
      const half = (): Happening => ({
        says: `${p.They} spends half of the money.`,
        after: (amount) => d.over(amount, 2),
      });
      return tell(start, happenings(d, d.events(2, 4), [earn, spend, gift, half]), {
        opening: d.choose([
          `${p.name} has $${start}.`,
          `There are $${start} in the wallet of ${p.name}.`,
        ]),
        asked: d.choose([
          `How much money does ${p.name} have in the end?`,
          `How many dollars does ${p.they} have now?`,
        ]),
        now: (amount) => `Now ${p.name} has ${amount.money}.`,
      });
    },
  },
  {
    id: "changes/garden",
    write(d) {
      const x = d.thing("tree");
      const p = d.person();
      const [rows, each, dead, more, years] = [
        d.integer(2, 12),
        d.integer(3, 20),
        d.integer(2, 20),
        d.integer(2, 15),
        d.integer(2, 8),
      ];
      const planted = d.times(rows, each);
      const alive = d.minus(planted, dead);
      const added = d.times(more, years);
      const total = d.plus(alive, added);
      return {
        question: d.choose([
          `${p.name} plants ${rows} rows of ${each} ${x.many}. In winter ${dead} of them die. After that ${p.they} plants ${more} new ${x.many} every year. How many ${x.many} does ${p.they} have after ${years} years?`,
          `An orchard is started with ${rows} rows of ${each} ${x.many}. ${dead} of the ${x.many} are lost in a storm, and then ${more} ${x.many} are added every year for ${years} years. How many ${x.many} are there then?`,
        ]),
        steps: [
          `At first there are ${planted} ${x.many}.`,
          `After the loss there are ${alive} ${x.many}.`,
          `Later ${added} ${x.many} are added.`,
          `In the end there are ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "changes/water",
    write(d) {
      const start = d.integer(30, 300);
      const where = d.choose(["tank", "barrel", "pool", "pond"]);
      const rain = (): Happening => {
        const [hours, rate] = [d.integer(2, 9), d.integer(2, 15)];
        return {
          says: `For ${hours} hours it rains, which adds ${rate} liters per hour.`,
          after: (amount) => d.calculate(amount, "+", hours, "*", rate),
        };
      };
      const drain = (): Happening => {
        const [buckets, liters] = [d.integer(2, 9), d.integer(4, 15)];
        return {
          says: `Someone takes out ${buckets} buckets of ${liters} liters each.`,
          after: (amount) => d.calculate(amount, "-", buckets, "*", liters),
        };
      };
      const leak = (): Happening => {
        const k = d.among([2, 3, 4, 5]);
        return {
          says:
            k === 2 ? "Half of the water leaks out." : `Then only 1/${k} of the water stays in.`,
          after: (amount) => d.over(amount, k),
        };
      };
      return tell(start, happenings(d, d.events(2, 4), [rain, drain, leak]), {
        opening: d.choose([
          `A ${where} has ${start} liters of water.`,
          `There are ${start} liters of water in a ${where}.`,
        ]),
        asked: d.choose([
          `How many liters are in the ${where} at the end?`,
          `How many liters of water does the ${where} hold now?`,
        ]),
        now: (amount) => `Then there are ${amount} liters.`,
      });
    },
  },
  {
    id: "changes/warehouse",
    heldOut: true,
    write(d) {
      const x = d.thing("machinePart");
      const [start, trucks, load, orders, size] = [
        d.integer(50, 400),
        d.integer(2, 9),
        d.integer(10, 40),
        d.integer(2, 9),
        d.integer(5, 30),
      ];
      const received = d.times(trucks, load);
      const stock = d.plus(start, received);
      const sent = d.times(orders, size);
      const left = d.minus(stock, sent);
      return {
        question: `A warehouse stores ${start} ${x.many}. On Tuesday ${trucks} trucks bring ${load} ${x.many} each, and on Wednesday ${orders} orders of ${size} ${x.many} each are shipped. How many ${x.many} are stored now?`,
        steps: [
          `The trucks bring ${received} ${x.many}.`,
          `Then there are ${stock} ${x.many}.`,
          `The orders take ${sent} ${x.many}.`,
          `So ${left} ${x.many} are left.`,
        ],
        answer: left,
      };
    },
  },
];
