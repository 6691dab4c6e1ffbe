/** Stories about saving, earning and spending money. */
import type { Template } from "../template.ts";

export const money: readonly Template[] = [
  {
    id: "money/still-needed",
    write(d) {
      const [p, x] = [d.person(), d.thing("gift")];
      const [weekly, weeks, has, price] = [
        d.integer(3, 25),
        d.integer(2, 12),
        d.integer(5, 90),
        d.integer(60, 400, 5),
      ];
      const saved = d.times(weekly, weeks);
      const total = d.plus(has, saved);
      const more = d.minus(price, total);
      return {
        question: d.choose([
          `${p.name} wants a ${x.one} that costs $${price}. ${p.They} has $${has} and saves $${weekly} a week for ${weeks} weeks. How much more money does ${p.they} need?`,
          `A ${x.one} costs $${price}. ${p.name} already has $${has} and puts aside $${weekly} each week. How many dollars are still missing after ${weeks} weeks?`,
        ]),
        steps: [
          `In ${weeks} weeks ${p.name} saves ${saved.money}.`,
          `Then ${p.they} has ${total.money}.`,
          `${p.They} still needs ${more.money}.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "money/weeks-needed",
    write(d) {
      const [p, x] = [d.person(), d.thing("gift")];
      const [weekly, spends, weeks, has] = [
        d.integer(8, 40),
        d.integer(2, 15),
        d.integer(2, 15),
        d.integer(5, 60),
      ];
      const net = d.minus(weekly, spends);
      const price = net.value * weeks + has;
      const missing = d.minus(price, has);
      const needed = d.over(missing, net);
      return {
        question: d.choose([
          `${p.name} earns $${weekly} a week and spends $${spends} of it. ${p.They} has $${has} and wants to buy a ${x.one} for $${price}. How many weeks must ${p.they} save?`,
          `A ${x.one} costs $${price}. ${p.name} has $${has} already, gets $${weekly} every week and spends $${spends} of that every week. After how many weeks can ${p.they} buy it?`,
        ]),
        steps: [
          `Each week ${p.name} saves ${net.money}.`,
          `${p.They} needs ${missing.money} more.`,
          `That takes ${needed} weeks.`,
        ],
        answer: needed,
      };
    },
  },
  {
    id: "money/profit",
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [count, cost, more, fee] = [
        d.integer(4, 30),
        d.integer(2, 12),
        d.integer(2, 15),
        d.integer(2, 40),
      ];
      const price = cost + more;
      const income = d.times(count, price);
      const costs = d.times(count, cost);
      const gain = d.minus(income, costs);
      const profit = d.minus(gain, fee);
      return {
        question: d.choose([
          `${p.name} makes ${x.many} for $${cost} each and sells them for $${price} each. At a market ${p.they} sells ${count} of them and pays $${fee} for the stand. How much profit does ${p.they} make?`,
          `It costs ${p.name} $${cost} to make one ${x.one}. ${p.They} sells ${count} ${x.many} at $${price} each, and the online shop keeps a fee of $${fee}. What is the profit?`,
        ]),
        steps: [
          `The income is ${income.money}.`,
          `The ${x.many} cost ${costs.money}.`,
          `That leaves ${gain.money}.`,
          `The profit is ${profit.money}.`,
        ],
        answer: profit,
      };
    },
  },
  {
    id: "money/coins",
    write(d) {
      const p = d.person();
      const [quarters, dimes, nickels] = [d.integer(2, 20), d.integer(2, 25), d.integer(2, 20)];
      const first = d.times(quarters, 25);
      const second = d.times(dimes, 10);
      const third = d.times(nickels, 5);
      const total = d.plus(first, second, third);
      return {
        question: d.choose([
          `${p.name} has ${quarters} quarters, ${dimes} dimes and ${nickels} nickels. How many cents does ${p.they} have?`,
          `In a jar there are ${quarters} quarters, ${dimes} dimes and ${nickels} nickels. How many cents are in the jar?`,
        ]),
        steps: [
          `The quarters are ${first} cents.`,
          `The dimes are ${second} cents.`,
          `The nickels are ${third} cents.`,
          `In total it is ${total} cents.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "money/monthly-budget",
    write(d) {
      const p = d.person();
      const [income, rent, food, months] = [
        d.integer(900, 3000, 100),
        d.integer(300, 900, 50),
        d.integer(100, 400, 10),
        d.integer(2, 6),
      ];
      const costs = d.plus(rent, food);
      const left = d.minus(income, costs);
      const total = d.times(months, left);
      return {
        question: d.choose([
          `${p.name} earns $${income} a month. ${p.They} pays $${rent} for rent and $${food} for food each month and saves the rest. How much does ${p.they} save in ${months} months?`,
          `Every month ${p.name} receives $${income} and spends $${rent} on rent and $${food} on food. What is left after ${months} months?`,
        ]),
        steps: [
          `The monthly costs are ${costs.money}.`,
          `Each month ${left.money} is left.`,
          `In ${months} months that is ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "money/chores",
    write(d) {
      const [p, x] = [d.person(), d.thing("collectible")];
      const [allowance, chore, chores, spent, price] = [
        d.integer(5, 30),
        d.integer(2, 8),
        d.integer(2, 9),
        d.integer(2, 15),
        d.integer(2, 6),
      ];
      const earned = d.times(chore, chores);
      const total = d.plus(allowance, earned);
      const left = d.minus(total, spent);
      const count = d.over(left, price);
      return {
        question: d.choose([
          `${p.name} gets an allowance of $${allowance} and $${chore} for each chore. ${p.They} does ${chores} chores and spends $${spent} on lunch. With the rest ${p.they} buys ${x.many} for $${price} each. How many can ${p.they} buy?`,
          `For every chore ${p.name} gets $${chore}, and the allowance is $${allowance}. After ${chores} chores ${p.they} pays back $${spent} to a friend. How many ${x.many} can ${p.they} buy with the rest if each costs $${price}?`,
        ]),
        steps: [
          `The chores bring ${earned.money}.`,
          `Together it is ${total.money}.`,
          `Then ${left.money} is left.`,
          `${p.name} can buy ${count} ${x.many}.`,
        ],
        answer: count,
      };
    },
  },
  {
    id: "money/tickets",
    write(d) {
      const [adults, price, children, less, costs] = [
        d.integer(10, 90),
        d.integer(6, 15),
        d.integer(10, 90),
        d.integer(1, 5),
        d.integer(50, 300, 10),
      ];
      const half = d.minus(price, less);
      const first = d.times(adults, price);
      const second = d.times(children, half);
      const income = d.plus(first, second);
      const left = d.minus(income, costs);
      const event = d.choose([
        "school play",
        "concert",
        "circus",
        "science fair",
        "puppet show",
        "film night",
      ]);
      return {
        question: d.choose([
          `Tickets for a ${event} cost $${price} for adults and $${less} less for children. ${adults} adults and ${children} children come. The costs are $${costs}. How much money is left?`,
          `${adults} adults and ${children} children visit a ${event}. An adult pays $${price}, and a child pays $${less} less. After paying costs of $${costs}, how many dollars have been earned?`,
        ]),
        steps: [
          `A child pays ${half.money}.`,
          `The adults pay ${first.money}.`,
          `The children pay ${second.money}.`,
          `The income is ${income.money}.`,
          `After the costs ${left.money} is left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "money/piggy-bank",
    write(d) {
      const [p, q, x] = [d.person(), d.person(), d.thing("gift")];
      const [has, monthly, months, gift, spent] = [
        d.integer(5, 80),
        d.integer(4, 30),
        d.integer(2, 12),
        d.integer(10, 60, 5),
        d.integer(10, 150),
      ];
      const saved = d.times(monthly, months);
      const all = d.plus(has, saved, gift);
      const left = d.minus(all, spent);
      return {
        question: d.choose([
          `There are $${has} in the piggy bank of ${p.name}. For ${months} months ${p.they} puts in $${monthly} a month, and ${q.name} gives ${p.them} $${gift}. Then ${p.they} buys a ${x.one} for $${spent}. How much money is left?`,
          `${p.name} starts with $${has} and saves $${monthly} every month for ${months} months. ${q.name} adds a gift of $${gift}. How much does ${p.name} have after buying a ${x.one} for $${spent}?`,
        ]),
        steps: [
          `${p.name} saves ${saved.money}.`,
          `Before buying the ${x.one} there is ${all.money}.`,
          `After that ${left.money} is left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "money/lemonade",
    heldOut: true,
    write(d) {
      const p = d.person();
      const [pitchers, cups, price, cost] = [
        d.integer(2, 9),
        d.integer(5, 12),
        d.integer(2, 5),
        d.integer(5, 40),
      ];
      const all = d.times(pitchers, cups);
      const income = d.times(all, price);
      const left = d.minus(income, cost);
      return {
        question: `${p.name} makes ${pitchers} pitchers of lemonade, and each pitcher fills ${cups} cups. ${p.They} sells all the cups at $${price} per cup. The lemons and the sugar cost $${cost}. How much money does ${p.they} earn?`,
        steps: [
          `There are ${all} cups.`,
          `They bring ${income.money}.`,
          `After the costs ${left.money} is left.`,
        ],
        answer: left,
      };
    },
  },
];
