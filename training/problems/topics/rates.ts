/** Stories about working, filling and producing at a steady rate. */
import type { Template } from "../template.ts";

export const rates: readonly Template[] = [
  {
    id: "rates/machine-hours",
    write(d) {
      const x = d.thing("machinePart");
      const [rate, hours, days] = [d.integer(3, 40), d.integer(2, 9), d.integer(2, 9)];
      const perDay = d.times(rate, hours);
      const total = d.times(perDay, days);
      return {
        question: d.choose([
          `A machine makes ${rate} ${x.many} per hour. It runs ${hours} hours a day. How many ${x.many} does it make in ${days} days?`,
          `Every hour a factory produces ${rate} ${x.many}. If the factory works ${hours} hours each day, how many ${x.many} does it produce in ${days} days?`,
        ]),
        steps: [
          `It makes ${perDay} ${x.many} per day.`,
          `In ${days} days it makes ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/two-machines",
    write(d) {
      const x = d.thing("machinePart");
      const [rate, more, hours] = [d.integer(5, 60), d.integer(2, 30), d.integer(2, 9)];
      const second = d.plus(rate, more);
      const both = d.plus(rate, second);
      const total = d.times(both, hours);
      return {
        question: d.choose([
          `One machine makes ${rate} ${x.many} an hour. A newer machine makes ${more} more ${x.many} an hour than that. How many ${x.many} do both machines make together in ${hours} hours?`,
          `The old machine in a plant makes ${rate} ${x.many} each hour, and the new machine makes ${more} more per hour. Working together for ${hours} hours, how many ${x.many} will they make?`,
        ]),
        steps: [
          `The new machine makes ${second} ${x.many} an hour.`,
          `Together they make ${both} ${x.many} an hour.`,
          `In ${hours} hours they make ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/wages",
    write(d) {
      const [p, q] = [d.person(), d.thing("gift")];
      const [wage, hours, days, cost] = [
        d.integer(6, 30),
        d.integer(2, 8),
        d.integer(2, 6),
        d.integer(10, 150),
      ];
      const daily = d.times(wage, hours);
      const total = d.times(daily, days);
      const left = d.minus(total, cost);
      return {
        question: d.choose([
          `${p.name} earns $${wage} an hour and works ${hours} hours a day for ${days} days. Then ${p.they} buys a ${q.one} for $${cost}. How much money does ${p.they} have left?`,
          `${p.name} worked ${days} days, ${hours} hours each day, at $${wage} per hour. After spending $${cost} of the wages on a ${q.one}, how many dollars did ${p.they} have?`,
        ]),
        steps: [
          `${p.name} earns ${daily.money} a day.`,
          `In ${days} days ${p.they} earns ${total.money}.`,
          `${p.They} has ${left.money} left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "rates/leaky-tank",
    write(d) {
      const [fill, leak, minutes] = [d.integer(5, 30), d.integer(1, 9), d.integer(3, 40)];
      const net = d.minus(fill, leak);
      const volume = net.value * minutes;
      const needed = d.over(volume, net);
      return {
        question: d.choose([
          `A pump fills a tank with ${fill} liters of water per minute, but the tank leaks ${leak} liters per minute. The tank holds ${volume} liters. How many minutes does it take to fill the empty tank?`,
          `An empty pool holds ${volume} liters. A hose adds ${fill} liters every minute while ${leak} liters leak out every minute. After how many minutes is the pool full?`,
        ]),
        steps: [`Each minute the water grows by ${net} liters.`, `It takes ${needed} minutes.`],
        answer: needed,
      };
    },
  },
  {
    id: "rates/pages-per-week",
    write(d) {
      const p = d.person();
      const [week, weekend, weeks] = [d.integer(5, 30), d.integer(10, 60), d.integer(2, 8)];
      const first = d.times(week, 5);
      const second = d.times(weekend, 2);
      const both = d.plus(first, second);
      const total = d.times(both, weeks);
      return {
        question: d.choose([
          `${p.name} reads ${week} pages on each weekday and ${weekend} pages on each day of the weekend. How many pages does ${p.they} read in ${weeks} weeks?`,
          `From Monday to Friday ${p.name} writes ${week} pages a day. On Saturday and Sunday ${p.they} writes ${weekend} pages a day. How many pages does ${p.they} write in ${weeks} weeks?`,
        ]),
        steps: [
          `On weekdays it is ${first} pages.`,
          `On the weekend it is ${second} pages.`,
          `In a week it is ${both} pages.`,
          `In ${weeks} weeks it is ${total} pages.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/overtime",
    write(d) {
      const p = d.person();
      const [hours, wage, extra, over] = [
        d.integer(20, 40, 5),
        d.integer(8, 25),
        d.integer(2, 10),
        d.integer(2, 9),
      ];
      const normal = d.times(hours, wage);
      const rate = d.plus(wage, extra);
      const overtime = d.times(over, rate);
      const total = d.plus(normal, overtime);
      return {
        question: d.choose([
          `${p.name} is paid $${wage} an hour for the first ${hours} hours of the week and $${extra} more per hour for overtime. This week ${p.they} worked ${over} hours of overtime after the first ${hours} hours. How much did ${p.they} earn?`,
          `For ${hours} regular hours ${p.name} gets $${wage} per hour. Each overtime hour pays $${extra} more than a regular hour. What does ${p.they} earn in a week with ${over} overtime hours?`,
        ]),
        steps: [
          `For the regular hours ${p.name} gets ${normal.money}.`,
          `The overtime rate is ${rate.money}.`,
          `The overtime pays ${overtime.money}.`,
          `In total ${p.they} earned ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/batches",
    write(d) {
      const [p, x] = [d.person(), d.thing("sweet")];
      const [batch, batches, minutes, rest] = [
        d.integer(6, 24),
        d.integer(3, 12),
        d.integer(8, 30),
        d.integer(5, 40),
      ];
      const needed = batch * batches;
      const count = d.over(needed, batch);
      const oven = d.times(count, minutes);
      const total = d.plus(oven, rest);
      return {
        question: d.choose([
          `${p.name} must bake ${needed} ${x.many}. One batch makes ${batch} ${x.many} and takes ${minutes} minutes. Afterwards the kitchen needs ${rest} minutes of cleaning. How many minutes does it all take?`,
          `A bakery bakes ${x.many} in batches of ${batch}, and each batch takes ${minutes} minutes. ${p.name} has an order for ${needed} ${x.many} and spends ${rest} more minutes on packing. How many minutes does ${p.they} need for the order?`,
        ]),
        steps: [
          `${p.name} needs ${count} batches.`,
          `Baking takes ${oven} minutes.`,
          `Altogether it takes ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/faster-later",
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [rate, early, m, late] = [
        d.integer(2, 20),
        d.integer(2, 6),
        d.integer(2, 4),
        d.integer(2, 6),
      ];
      const first = d.times(rate, early);
      const faster = d.times(m, rate);
      const second = d.times(faster, late);
      const total = d.plus(first, second);
      return {
        question: d.choose([
          `For the first ${early} hours ${p.name} makes ${rate} ${x.many} per hour. Then ${p.they} gets help and ${d.fold(m)} as many ${x.many} are made per hour for another ${late} hours. How many ${x.many} are made in all?`,
          `${p.name} paints ${rate} ${x.many} an hour in the morning, which lasts ${early} hours. In the afternoon ${p.they} paints ${d.fold(m)} as many an hour for ${late} hours. How many ${x.many} does ${p.they} paint that day?`,
        ]),
        steps: [
          `At first ${first} ${x.many} are done.`,
          `Then the rate is ${faster} ${x.many} per hour.`,
          `So ${second} more ${x.many} are done.`,
          `The total is ${total} ${x.many}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "rates/two-printers",
    heldOut: true,
    write(d) {
      const [slow, fast, minutes, breakTime] = [
        d.integer(5, 20),
        d.integer(21, 40),
        d.integer(4, 20),
        d.integer(2, 15),
      ];
      const pages = (slow + fast) * minutes;
      const both = d.plus(slow, fast);
      const needed = d.over(pages, both);
      const total = d.plus(needed, breakTime);
      return {
        question: `One printer prints ${slow} pages a minute and another prints ${fast} pages a minute. Together they must print ${pages} pages. Halfway they stop for ${breakTime} minutes to cool down. How many minutes pass until the job is done?`,
        steps: [
          `Together they print ${both} pages a minute.`,
          `Printing takes ${needed} minutes.`,
          `With the stop it takes ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
];
