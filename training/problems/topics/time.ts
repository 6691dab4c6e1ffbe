/** Stories about minutes, hours and days. */
import type { Template } from "../template.ts";

export const time: readonly Template[] = [
  {
    id: "time/chores",
    write(d) {
      const p = d.person();
      const [a, b, m, hours] = [
        d.integer(5, 45),
        d.integer(5, 40),
        d.integer(2, 3),
        d.integer(2, 5),
      ];
      const third = d.times(m, a);
      const busy = d.plus(a, b, third);
      const free = d.times(hours, 60);
      const left = d.minus(free, busy);
      return {
        question: d.choose([
          `${p.name} has ${hours} hours before dinner. ${p.They} spends ${a} minutes washing dishes, ${b} minutes sweeping and ${d.fold(m)} as long on homework as on the dishes. How many minutes are left?`,
          `In ${hours} hours of free time ${p.name} irons for ${a} minutes, shops for ${b} minutes and works in the garden ${d.fold(m)} as long as ${p.they} ironed. How many minutes of free time remain?`,
        ]),
        steps: [
          `The last task takes ${third} minutes.`,
          `All tasks take ${busy} minutes.`,
          `There are ${free} minutes.`,
          `So ${left} minutes are left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "time/practice",
    write(d) {
      const p = d.person();
      const [minutes, more, weeks] = [d.integer(10, 60, 5), d.integer(5, 60, 5), d.integer(2, 8)];
      const weekdays = d.times(5, minutes);
      const longer = d.plus(minutes, more);
      const weekend = d.times(2, longer);
      const week = d.plus(weekdays, weekend);
      const total = d.times(weeks, week);
      const hobby = d.choose([
        "the piano",
        "the violin",
        "the drums",
        "chess",
        "the flute",
        "juggling",
      ]);
      return {
        question: d.choose([
          `${p.name} practices ${hobby} for ${minutes} minutes on each weekday and ${more} minutes longer than that on each day of the weekend. How many minutes does ${p.they} practice in ${weeks} weeks?`,
          `From Monday to Friday ${p.name} practices ${hobby} ${minutes} minutes a day. On Saturday and on Sunday ${p.they} adds ${more} minutes to that. How many minutes is this in ${weeks} weeks?`,
        ]),
        steps: [
          `On weekdays it is ${weekdays} minutes.`,
          `A day of the weekend has ${longer} minutes.`,
          `The weekend has ${weekend} minutes.`,
          `A week has ${week} minutes.`,
          `In ${weeks} weeks it is ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "time/minutes-to-hours",
    write(d) {
      const p = d.person();
      const [minutes, times, days] = [d.integer(10, 60, 5), d.integer(1, 4), d.integer(3, 30)];
      const daily = d.times(times, minutes);
      const all = d.times(daily, days);
      const hours = d.over(all, 60);
      const pet = d.choose(["dog", "horse", "pony", "puppy"]);
      const often =
        times === 1 ? "once a day" : times === 2 ? "twice a day" : `${times} times a day`;
      return {
        question: d.choose([
          `${p.name} walks the ${pet} ${often} for ${minutes} minutes. How many hours does ${p.they} walk the ${pet} in ${days} days?`,
          `A ${pet} is taken outside ${often}, each time for ${minutes} minutes. How many hours is that in ${days} days?`,
        ]),
        steps: [
          `Each day it is ${daily} minutes.`,
          `In ${days} days it is ${all} minutes.`,
          `That is ${hours} hours.`,
        ],
        answer: hours,
      };
    },
  },
  {
    id: "time/episodes",
    write(d) {
      const p = d.person();
      const [seasons, episodes, minutes, watched] = [
        d.integer(2, 6),
        d.integer(6, 20),
        d.integer(20, 60, 5),
        d.integer(2, 20),
      ];
      const all = d.times(seasons, episodes);
      const left = d.minus(all, watched);
      const total = d.times(left, minutes);
      return {
        question: d.choose([
          `A show has ${seasons} seasons with ${episodes} episodes each. Every episode lasts ${minutes} minutes. ${p.name} has watched ${watched} episodes. How many minutes does ${p.they} need for the rest?`,
          `${p.name} is watching a series of ${seasons} seasons. Each season has ${episodes} episodes of ${minutes} minutes. After ${watched} episodes, how many minutes of the series are left?`,
        ]),
        steps: [
          `There are ${all} episodes.`,
          `There are ${left} episodes left.`,
          `They last ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "time/reading-days",
    write(d) {
      const p = d.person();
      const [rate, hours, days, read] = [
        d.integer(10, 40, 2),
        d.integer(1, 4),
        d.integer(2, 12),
        d.integer(10, 90),
      ];
      const daily = d.times(rate, hours);
      const pages = daily.value * days + read;
      const rest = d.minus(pages, read);
      const needed = d.over(rest, daily);
      return {
        question: d.choose([
          `${p.name} is reading a book of ${pages} pages and is on page ${read}. ${p.They} reads ${rate} pages an hour and reads ${hours} hours a day. How many days does ${p.they} need to finish the book?`,
          `A book has ${pages} pages, and ${p.name} has finished ${read} of them. Reading ${hours} hours a day at ${rate} pages per hour, how many more days will ${p.they} need?`,
        ]),
        steps: [
          `Each day ${p.name} reads ${daily} pages.`,
          `There are ${rest} pages left.`,
          `${p.They} needs ${needed} days.`,
        ],
        answer: needed,
      };
    },
  },
  {
    id: "time/bus-trips",
    write(d) {
      const p = d.person();
      const [ride, wait, days] = [d.integer(8, 50), d.integer(2, 15), d.integer(2, 9)];
      const walk = d.integer(2, 20);
      const one = d.plus(walk, wait, ride);
      const both = d.times(2, one);
      const total = d.times(both, days);
      return {
        question: d.choose([
          `To get to work, ${p.name} walks ${walk} minutes, waits ${wait} minutes and rides the bus for ${ride} minutes. The way home takes the same time. How many minutes does ${p.they} need for the way there and back on ${days} days?`,
          `The way to school takes ${p.name} ${walk} minutes on foot, ${wait} minutes of waiting and ${ride} minutes on the bus, and the way back is just as long. How many minutes is that in ${days} school days?`,
        ]),
        steps: [
          `One way takes ${one} minutes.`,
          `There and back takes ${both} minutes.`,
          `In ${days} days it is ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "time/until-the-exam",
    write(d) {
      const p = d.person();
      const [weeks, days, hours, done] = [
        d.integer(2, 9),
        d.integer(1, 6),
        d.integer(2, 5),
        d.integer(3, 30),
      ];
      const whole = d.times(weeks, 7);
      const all = d.plus(whole, days);
      const study = d.times(all, hours);
      const total = d.plus(study, done);
      const day = days === 1 ? "1 day" : `${days} days`;
      const event = d.choose(["exam", "concert", "race", "competition", "play"]);
      return {
        question: d.choose([
          `The ${event} is in ${weeks} weeks and ${day}. ${p.name} has prepared for ${done} hours and will now prepare ${hours} hours every day. How many hours of preparation will it be in all?`,
          `${p.name} has ${weeks} weeks and ${day} until the ${event} and wants to train ${hours} hours a day. ${p.They} has already trained ${done} hours. How many hours will ${p.they} have trained by then?`,
        ]),
        steps: [
          `The weeks have ${whole} days.`,
          `In all there are ${all} days.`,
          `In them there are ${study} hours.`,
          `The total is ${total} hours.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "time/homework",
    write(d) {
      const p = d.person();
      const [math, m, words, w, rest] = [
        d.integer(3, 20),
        d.integer(2, 9),
        d.integer(3, 20),
        d.integer(1, 6),
        d.integer(5, 30),
      ];
      const first = d.times(math, m);
      const second = d.times(words, w);
      const total = d.plus(first, second, rest);
      return {
        question: d.choose([
          `${p.name} has ${math} math problems and ${words} spelling tasks. Each math problem takes ${m} minutes and each spelling task takes ${w} minutes. With a break of ${rest} minutes, how many minutes does ${p.they} need?`,
          `For a test of ${math} math questions and ${words} reading questions ${p.name} needs ${m} minutes per math question and ${w} minutes per reading question. There is a pause of ${rest} minutes in between. How many minutes pass?`,
        ]),
        steps: [
          `Math takes ${first} minutes.`,
          `The other part takes ${second} minutes.`,
          `With the pause it is ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "time/shared-work",
    heldOut: true,
    write(d) {
      const [p, x] = [d.person(), d.thing("craft")];
      const [count, minutes, helpers, setup] = [
        d.integer(6, 40),
        d.integer(3, 15),
        d.integer(2, 6),
        d.integer(5, 30),
      ];
      const work = d.times(count, minutes);
      const each = d.over(work, helpers);
      const total = d.plus(each, setup);
      return {
        question: `It takes ${minutes} minutes to make one of the ${x.many}, and ${count} ${x.many} are needed for a fair. ${p.name} sets up for ${setup} minutes, then ${helpers} people share the work equally. How many minutes pass until everything is done?`,
        steps: [
          `The work is ${work} minutes.`,
          `Each person works ${each} minutes.`,
          `With the setup it takes ${total} minutes.`,
        ],
        answer: total,
      };
    },
  },
];
