/** Stories about buying things. */
import type { Template } from "../template.ts";

export const shopping: readonly Template[] = [
  {
    id: "shopping/two-items",
    write(d) {
      const [p, x, y] = [d.person(), d.thing("stationery"), d.thing("stationery")];
      const [a, price, b, cost] = [
        d.integer(2, 12),
        d.integer(2, 15),
        d.integer(2, 12),
        d.integer(2, 15),
      ];
      const first = d.times(a, price);
      const second = d.times(b, cost);
      const total = d.plus(first, second);
      return {
        question: d.choose([
          `${d.when()}${p.name} bought ${a} ${x.many} for $${price} each and ${b} ${y.many} for $${cost} each. How much did ${p.they} spend in total?`,
          `A store sells ${x.many} for $${price} each and ${y.many} for $${cost} each. ${p.name} buys ${a} ${x.many} and ${b} ${y.many}. How many dollars does ${p.they} pay?`,
          `${p.name} needs ${a} ${x.many} and ${b} ${y.many} for school. Each ${x.one} costs $${price} and each ${y.one} costs $${cost}. What is the total cost?`,
        ]),
        steps: [
          `The ${x.many} cost ${first.money}.`,
          `The ${y.many} cost ${second.money}.`,
          `The total cost is ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "shopping/change",
    write(d) {
      const [p, x, y] = [d.person(), d.thing("fruit"), d.thing("sweet")];
      const [a, price, b, cost] = [
        d.integer(2, 9),
        d.integer(1, 9),
        d.integer(2, 9),
        d.integer(1, 9),
      ];
      const paid = d.among([20, 50, 100]);
      const first = d.times(a, price);
      const second = d.times(b, cost);
      const total = d.plus(first, second);
      const change = d.minus(paid, total);
      return {
        question: d.choose([
          `${p.name} buys ${a} ${x.many} at $${price} each and ${b} ${y.many} at $${cost} each. ${p.They} pays with a $${paid} bill. How much change does ${p.they} get?`,
          `${d.when()}${p.name} went to the market with $${paid}. ${p.They} bought ${a} ${x.many} that cost $${price} each and ${b} ${y.many} that cost $${cost} each. How much money does ${p.they} have left?`,
        ]),
        steps: [
          `The ${x.many} cost ${first.money}.`,
          `The ${y.many} cost ${second.money}.`,
          `${p.name} spends ${total.money}.`,
          `${p.They} has ${change.money} left.`,
        ],
        answer: change,
      };
    },
  },
  {
    id: "shopping/coupon",
    write(d) {
      const [p, x] = [d.person(), d.thing("clothing")];
      const [a, price, off, ship] = [
        d.integer(2, 9),
        d.integer(8, 40),
        d.integer(2, 20),
        d.integer(2, 12),
      ];
      const full = d.times(a, price);
      const less = d.minus(full, off);
      const total = d.plus(less, ship);
      return {
        question: d.choose([
          `${p.name} orders ${a} ${x.many} online for $${price} each. ${p.They} has a coupon for $${off} off the order, and shipping costs $${ship}. How much does ${p.they} pay?`,
          `An online shop sells ${x.many} at $${price} each. ${p.name} orders ${a} of them, uses a $${off} coupon and pays $${ship} for delivery. What does the order cost ${p.them}?`,
        ]),
        steps: [
          `The ${x.many} cost ${full.money}.`,
          `With the coupon they cost ${less.money}.`,
          `With shipping ${p.name} pays ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "shopping/packs-last",
    write(d) {
      const [p, x] = [d.person(), d.thing("stationery")];
      const [packs, each, daily] = [d.integer(2, 12), d.integer(4, 30), d.integer(2, 9)];
      const have = d.integer(2, 40);
      const bought = d.times(packs, each);
      const all = d.plus(bought, have);
      const days = d.over(all, daily);
      return {
        question: d.choose([
          `${p.name} has ${have} ${x.many} and buys ${packs} packs of ${each} ${x.many}. An office uses ${daily} ${x.many} a day. For how many days will the ${x.many} last?`,
          `An office has ${have} ${x.many} left. ${p.name} orders ${packs} more packs with ${each} ${x.many} in each. If the office uses up ${daily} ${x.many} every day, how many days will they last?`,
        ]),
        steps: [
          `The packs hold ${bought} ${x.many}.`,
          `Altogether there are ${all} ${x.many}.`,
          `They will last ${days} days.`,
        ],
        answer: days,
      };
    },
  },
  {
    id: "shopping/three-kinds",
    write(d) {
      const [p, x, y, z] = [d.person(), d.thing("vegetable"), d.thing("fruit"), d.thing("sweet")];
      const counts = [d.integer(2, 9), d.integer(2, 9), d.integer(2, 9)] as const;
      const prices = [d.integer(1, 6), d.integer(1, 6), d.integer(1, 9)] as const;
      const first = d.times(counts[0], prices[0]);
      const second = d.times(counts[1], prices[1]);
      const third = d.times(counts[2], prices[2]);
      const total = d.plus(first, second, third);
      return {
        question: d.choose([
          `At the market, ${x.many} cost $${prices[0]} each, ${y.many} cost $${prices[1]} each and ${z.many} cost $${prices[2]} each. ${p.name} buys ${counts[0]} ${x.many}, ${counts[1]} ${y.many} and ${counts[2]} ${z.many}. How much does ${p.they} spend?`,
          `${d.when()}${p.name} bought ${counts[0]} ${x.many} for $${prices[0]} each, ${counts[1]} ${y.many} for $${prices[1]} each, and ${counts[2]} ${z.many} for $${prices[2]} each. How many dollars did ${p.they} pay in all?`,
        ]),
        steps: [
          `The ${x.many} cost ${first.money}.`,
          `The ${y.many} cost ${second.money}.`,
          `The ${z.many} cost ${third.money}.`,
          `In total ${p.name} pays ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "shopping/two-stores",
    write(d) {
      const [p, x] = [d.person(), d.thing("gift")];
      const [low, more, count] = [d.integer(5, 60), d.integer(2, 15), d.integer(2, 12)];
      const high = low + more;
      const dear = d.times(count, high);
      const cheap = d.times(count, low);
      const saved = d.minus(dear, cheap);
      return {
        question: d.choose([
          `One store sells a ${x.one} for $${high} and another store sells the same ${x.one} for $${low}. ${p.name} needs ${count} of them. How much money does ${p.they} save by going to the cheaper store?`,
          `${p.name} wants to buy ${count} ${x.many}. They cost $${high} each at the first store and $${low} each at the second. How much less would ${p.they} pay at the second store?`,
        ]),
        steps: [
          `At the more expensive store ${p.name} would pay ${dear.money}.`,
          `At the cheaper store ${p.they} would pay ${cheap.money}.`,
          `${p.They} saves ${saved.money}.`,
        ],
        answer: saved,
      };
    },
  },
  {
    id: "shopping/by-the-box",
    write(d) {
      const [p, x] = [d.person(), d.thing("sweet")];
      const [single, perBox, boxes] = [d.integer(2, 8), d.integer(5, 12), d.integer(2, 9)];
      const boxPrice = d.integer(6, 80);
      const alone = d.times(perBox, single);
      const saving = d.minus(alone, boxPrice);
      const total = d.times(boxes, saving);
      return {
        question: d.choose([
          `A single ${x.one} costs $${single}, but a box of ${perBox} ${x.many} costs $${boxPrice}. ${p.name} buys ${boxes} boxes. How much does ${p.they} save compared with buying the ${x.many} one by one?`,
          `A bakery sells ${x.many} for $${single} each or $${boxPrice} for a box of ${perBox}. How many dollars does ${p.name} save by buying ${boxes} boxes instead of the same number of single ${x.many}?`,
        ]),
        steps: [
          `Bought one by one, a box of ${x.many} would cost ${alone.money}.`,
          `So each box saves ${saving.money}.`,
          `With ${boxes} boxes ${p.name} saves ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "shopping/outfit",
    write(d) {
      const [p, x, y, z] = [
        d.person(),
        d.thing("clothing"),
        d.thing("clothing"),
        d.thing("clothing"),
      ];
      const [price, m, more] = [d.integer(6, 45), d.integer(2, 4), d.integer(3, 30)];
      const second = d.times(m, price);
      const third = d.plus(second, more);
      const total = d.plus(price, second, third);
      return {
        question: d.choose([
          `A ${x.one} costs $${price}. A ${y.one} costs ${d.fold(m)} as much as the ${x.one}, and a ${z.one} costs $${more} more than the ${y.one}. How much does ${p.name} pay for all three?`,
          `${d.when()}${p.name} bought a ${x.one} for $${price}, a ${y.one} that cost ${d.fold(m)} as much, and a ${z.one} that cost $${more} more than the ${y.one}. What did ${p.they} spend altogether?`,
        ]),
        steps: [
          `The ${y.one} costs ${second.money}.`,
          `The ${z.one} costs ${third.money}.`,
          `Together they cost ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "shopping/returned",
    heldOut: true,
    write(d) {
      const [p, x, y] = [d.person(), d.thing("clothing"), d.thing("gift")];
      const [a, price, back, cost] = [
        d.integer(4, 12),
        d.integer(5, 25),
        d.integer(2, 3),
        d.integer(10, 60),
      ];
      const paid = d.times(a, price);
      const refund = d.times(back, price);
      const kept = d.minus(paid, refund);
      const total = d.plus(kept, cost);
      return {
        question: `${p.name} bought ${a} ${x.many} for $${price} each. Later ${p.they} returned ${back} of the ${x.many} for a full refund and bought a ${y.one} for $${cost}. How much money did ${p.they} spend in the end?`,
        steps: [
          `The ${x.many} cost ${paid.money}.`,
          `${p.name} got back ${refund.money}.`,
          `So ${p.they} paid ${kept.money} for the ${x.many}.`,
          `In the end ${p.they} spent ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
];
