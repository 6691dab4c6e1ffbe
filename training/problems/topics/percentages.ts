/** Stories about percentages. */
import type { Template } from "../template.ts";

const rounds = [10, 20, 25, 30, 40, 50, 60, 75, 80];
const small = [5, 10, 15, 20, 25, 30, 40, 50];

export const percentages: readonly Template[] = [
  {
    id: "percentages/discount",
    write(d) {
      const [p, x] = [d.person(), d.thing("gift")];
      const [price, percent, count] = [d.integer(20, 200, 5), d.among(small), d.integer(2, 6)];
      const off = d.percent(percent, price);
      const less = d.minus(price, off);
      const total = d.times(count, less);
      return {
        question: d.choose([
          `A ${x.one} normally costs $${price}, but this week there is a ${percent}% discount. How much does ${p.name} pay for ${count} of them?`,
          `${p.name} buys ${count} ${x.many} in a sale. The normal price is $${price} each, and the sale takes ${percent}% off. What does ${p.they} pay?`,
        ]),
        steps: [
          `The discount is ${off.money}.`,
          `So one ${x.one} costs ${less.money}.`,
          `${p.name} pays ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "percentages/tip",
    write(d) {
      const p = d.person();
      const [meals, price, percent, paid] = [
        d.integer(2, 8),
        d.integer(8, 30),
        d.among([10, 15, 20, 25]),
        d.among([100, 150, 200]),
      ];
      const bill = d.times(meals, price);
      const tip = d.percent(percent, bill);
      const total = d.plus(bill, tip);
      const left = d.minus(paid, total);
      return {
        question: d.choose([
          `${p.name} takes ${paid} dollars to a restaurant and orders ${meals} meals for $${price} each. ${p.They} adds a ${percent}% tip. How many dollars does ${p.they} have left?`,
          `${d.when()}${p.name} paid for ${meals} meals of $${price} each and left a tip of ${percent}% of the bill. How much is left of ${p.their} $${paid}?`,
        ]),
        steps: [
          `The bill is ${bill.money}.`,
          `The tip is ${tip.money}.`,
          `In total ${p.name} pays ${total.money}.`,
          `${p.They} has ${left.money} left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "percentages/school",
    write(d) {
      const [classes, size, percent] = [d.integer(2, 9), d.integer(10, 40, 5), d.among(rounds)];
      const all = d.times(classes, size);
      const girls = d.percent(percent, all);
      const boys = d.minus(all, girls);
      const [many, few] = d.choose([
        ["girls", "boys"],
        ["boys", "girls"],
      ] as const);
      return {
        question: d.choose([
          `A school has ${classes} classes with ${size} students in each. ${percent}% of the students are ${many}. How many ${few} are there?`,
          `There are ${size} students in each of the ${classes} classes of a school. If ${percent}% of all students are ${many} and the others are ${few}, how many ${few} go to the school?`,
        ]),
        steps: [
          `There are ${all} students.`,
          `There are ${girls} ${many}.`,
          `There are ${boys} ${few}.`,
        ],
        answer: boys,
      };
    },
  },
  {
    id: "percentages/raise",
    write(d) {
      const p = d.person();
      const [salary, percent, rent] = [
        d.integer(500, 4000, 100),
        d.among(small),
        d.integer(100, 900, 50),
      ];
      const more = d.percent(percent, salary);
      const after = d.plus(salary, more);
      const left = d.minus(after, rent);
      return {
        question: d.choose([
          `${p.name} earns $${salary} a month and gets a raise of ${percent}%. If ${p.their} rent is $${rent} a month, how much is left each month after the raise and the rent?`,
          `The monthly pay of ${p.name} was $${salary} and rises by ${percent}%. ${p.They} pays $${rent} a month for rent. How many dollars remain each month after the raise?`,
        ]),
        steps: [
          `The raise is ${more.money}.`,
          `The new pay is ${after.money}.`,
          `After the rent ${left.money} is left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "percentages/three-groups",
    write(d) {
      const [all, first, second] = [
        d.integer(40, 600, 20),
        d.among([10, 20, 25, 30, 40]),
        d.among([10, 15, 20, 25, 30, 50]),
      ];
      const a = d.percent(first, all);
      const b = d.percent(second, all);
      const rest = d.minus(all, a, b);
      const [who, x, y, z] = d.choose([
        ["people at a fair", "came by bus", "came by train", "walked"],
        ["students of a school", "play soccer", "play tennis", "play no sport"],
        ["visitors of a zoo", "bought popcorn", "bought ice cream", "bought nothing"],
        ["workers of a factory", "work at night", "work in the evening", "work during the day"],
      ] as const);
      return {
        question: d.choose([
          `Of the ${all} ${who}, ${first}% ${x}, ${second}% ${y} and the rest ${z}. How many ${z}?`,
          `There are ${all} ${who}. ${first}% of them ${x} and ${second}% of them ${y}. All the others ${z}. How many of them ${z}?`,
        ]),
        steps: [`${a} of them ${x}.`, `${b} of them ${y}.`, `So ${rest} of them ${z}.`],
        answer: rest,
      };
    },
  },
  {
    id: "percentages/tax",
    write(d) {
      const [p, x] = [d.person(), d.thing("clothing")];
      const [count, price, percent] = [
        d.integer(2, 9),
        d.integer(10, 60, 5),
        d.among([4, 5, 6, 8, 10, 12, 20]),
      ];
      const net = d.times(count, price);
      const tax = d.percent(percent, net);
      const total = d.plus(net, tax);
      return {
        question: d.choose([
          `${p.name} buys ${count} ${x.many} for $${price} each. There is a sales tax of ${percent}%. How much does ${p.they} pay including the tax?`,
          `Each ${x.one} costs $${price} before a ${percent}% sales tax. What is the total price with tax when ${p.name} buys ${count} ${x.many}?`,
        ]),
        steps: [
          `Before tax the ${x.many} cost ${net.money}.`,
          `The tax is ${tax.money}.`,
          `${p.name} pays ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "percentages/budget",
    write(d) {
      const p = d.person();
      const [income, percent, food] = [
        d.integer(400, 4000, 100),
        d.among(rounds),
        d.integer(50, 400, 10),
      ];
      const rent = d.percent(percent, income);
      const after = d.minus(income, rent);
      const left = d.minus(after, food);
      return {
        question: d.choose([
          `${p.name} earns $${income} a month. ${p.They} spends ${percent}% of it on rent and $${food} on food. How much money is left?`,
          `Each month ${p.name} gets $${income}, of which ${percent}% goes to rent. ${p.They} also pays $${food} for food. How many dollars can ${p.they} save each month?`,
        ]),
        steps: [
          `The rent is ${rent.money}.`,
          `After the rent ${after.money} is left.`,
          `After the food ${left.money} is left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "percentages/book",
    write(d) {
      const p = d.person();
      const [pages, percent, more, days] = [
        d.integer(80, 600, 20),
        d.among(rounds),
        d.integer(5, 60),
        d.integer(2, 9),
      ];
      const read = d.percent(percent, pages);
      const rest = d.minus(pages, read);
      const left = d.minus(rest, more);
      const daily = d.over(left, days);
      return {
        question: d.choose([
          `A book has ${pages} pages. ${p.name} reads ${percent}% of the book in the first week and ${more} pages on the next day. ${p.They} wants to finish the rest in ${days} days. How many pages must ${p.they} read per day?`,
          `${p.name} has read ${percent}% of a book of ${pages} pages. Today ${p.they} reads ${more} more pages. If ${p.they} reads the rest evenly over ${days} days, how many pages is that each day?`,
        ]),
        steps: [
          `${p.name} has read ${read} pages.`,
          `There were ${rest} pages left.`,
          `After the next pages there are ${left} pages left.`,
          `That is ${daily} pages per day.`,
        ],
        answer: daily,
      };
    },
  },
  {
    id: "percentages/interest",
    heldOut: true,
    write(d) {
      const p = d.person();
      const [deposit, percent, years] = [
        d.integer(100, 2000, 100),
        d.among([2, 3, 4, 5, 6, 8, 10]),
        d.integer(2, 8),
      ];
      const yearly = d.percent(percent, deposit);
      const interest = d.times(yearly, years);
      const total = d.plus(deposit, interest);
      return {
        question: `${p.name} puts $${deposit} into a bank account that pays ${percent}% simple interest per year on the deposit. How much money is in the account after ${years} years?`,
        steps: [
          `Each year the interest is ${yearly.money}.`,
          `In ${years} years that is ${interest.money}.`,
          `The account then holds ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
];
