/** Stories about ages. */
import type { Template } from "../template.ts";

export const ages: readonly Template[] = [
  {
    id: "ages/older-younger",
    write(d) {
      const [p, q, r] = [d.person(), d.person(), d.person()];
      const [age, m, less] = [d.integer(5, 20), d.integer(2, 4), d.integer(2, 15)];
      const second = d.times(m, age);
      const third = d.minus(second, less);
      const sum = d.plus(age, second, third);
      return {
        question: d.choose([
          `${p.name} is ${age} years old. ${q.name} is ${d.fold(m)} as old as ${p.name}, and ${r.name} is ${less} years younger than ${q.name}. What is the sum of their ages?`,
          `${q.name} is ${d.fold(m)} as old as ${p.name}, who is ${age}. ${r.name} is ${less} years younger than ${q.name}. How old are the three of them together?`,
        ]),
        steps: [
          `${q.name} is ${second} years old.`,
          `${r.name} is ${third} years old.`,
          `The sum of their ages is ${sum} years.`,
        ],
        answer: sum,
      };
    },
  },
  {
    id: "ages/in-some-years",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [age, more, years] = [d.integer(6, 45), d.integer(2, 25), d.integer(2, 20)];
      const second = d.plus(age, more);
      const first2 = d.plus(age, years);
      const second2 = d.plus(second, years);
      const sum = d.plus(first2, second2);
      return {
        question: d.choose([
          `${p.name} is ${age} years old and ${q.name} is ${more} years older. What will be the sum of their ages in ${years} years?`,
          `${q.name} is ${more} years older than ${p.name}, who is ${age} now. How old will they be together ${years} years from now?`,
        ]),
        steps: [
          `${q.name} is ${second} years old now.`,
          `In ${years} years ${p.name} will be ${first2} years old.`,
          `${q.name} will be ${second2} years old.`,
          `The sum will be ${sum} years.`,
        ],
        answer: sum,
      };
    },
  },
  {
    id: "ages/years-ago",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [then, years, m] = [d.integer(3, 25), d.integer(2, 15), d.integer(2, 3)];
      const now = d.plus(then, years);
      const other = d.times(m, now);
      const apart = d.minus(other, now);
      return {
        question: d.choose([
          `${years} years ago ${p.name} was ${then} years old. Now ${q.name} is ${d.fold(m)} as old as ${p.name}. How many years older than ${p.name} is ${q.name}?`,
          `${p.name} was ${then} years old ${years} years ago. ${q.name} is ${d.fold(m)} as old as ${p.name} is today. What is the difference between their ages?`,
        ]),
        steps: [
          `${p.name} is ${now} years old now.`,
          `${q.name} is ${other} years old.`,
          `The difference is ${apart} years.`,
        ],
        answer: apart,
      };
    },
  },
  {
    id: "ages/parent",
    write(d) {
      const p = d.person();
      const [age, m, later] = [d.integer(3, 12), d.integer(3, 6), d.integer(15, 40)];
      const parent = d.times(m, age);
      const years = d.minus(later, age);
      const then = d.plus(parent, years);
      const parentName = d.choose(["mother", "father"]);
      return {
        question: d.choose([
          `${p.name} is ${age} years old, and ${p.their} ${parentName} is ${d.fold(m)} as old. How old will the ${parentName} be when ${p.name} is ${later}?`,
          `The ${parentName} of ${p.name} is ${d.fold(m)} as old as ${p.name}. ${p.name} is ${age} now. What will be the age of the ${parentName} when ${p.name} turns ${later}?`,
        ]),
        steps: [
          `The ${parentName} is ${parent} years old now.`,
          `${p.name} will be ${later} in ${years} years.`,
          `Then the ${parentName} will be ${then} years old.`,
        ],
        answer: then,
      };
    },
  },
  {
    id: "ages/three-siblings",
    write(d) {
      const [p, q, r] = [d.person(), d.person(), d.person()];
      const [age, less, least, years] = [
        d.integer(14, 40),
        d.integer(2, 6),
        d.integer(2, 6),
        d.integer(2, 12),
      ];
      const second = d.minus(age, less);
      const third = d.minus(second, least);
      const then = d.plus(third, years);
      return {
        question: d.choose([
          `${p.name}, the oldest of three siblings, is ${age}. ${q.name} is ${less} years younger than ${p.name}, and ${r.name} is ${least} years younger than ${q.name}. How old will ${r.name} be in ${years} years?`,
          `${q.name} is ${less} years younger than ${p.name}. ${r.name} is ${least} years younger than ${q.name}. If ${p.name} is ${age} years old, what will be the age of ${r.name} after ${years} years?`,
        ]),
        steps: [
          `${q.name} is ${second} years old.`,
          `${r.name} is ${third} years old.`,
          `In ${years} years ${r.name} will be ${then} years old.`,
        ],
        answer: then,
      };
    },
  },
  {
    id: "ages/sum-and-difference",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [younger, apart, years] = [d.integer(4, 40), d.integer(2, 20), d.integer(2, 12)];
      const sum = 2 * younger + apart;
      const twice = d.minus(sum, apart);
      const young = d.over(twice, 2);
      const then = d.plus(young, years);
      return {
        question: d.choose([
          `The ages of ${p.name} and ${q.name} add up to ${sum} years. ${q.name} is ${apart} years older than ${p.name}. How old will ${p.name} be in ${years} years?`,
          `${q.name} is ${apart} years older than ${p.name}, and together they are ${sum} years old. What will be the age of ${p.name} ${years} years from now?`,
        ]),
        steps: [
          `Without the difference the sum would be ${twice} years.`,
          `So ${p.name} is ${young} years old.`,
          `In ${years} years ${p.name} will be ${then} years old.`,
        ],
        answer: then,
      };
    },
  },
  {
    id: "ages/average",
    write(d) {
      const [p, q, r] = [d.person(), d.person(), d.person()];
      const [age, more, others] = [d.integer(6, 40), d.integer(2, 15), d.integer(5, 60)];
      const second = d.plus(age, more);
      const sum = d.plus(age, second, others);
      const mean = d.over(sum, 3);
      return {
        question: d.choose([
          `${p.name} is ${age} years old, ${q.name} is ${more} years older than ${p.name}, and ${r.name} is ${others} years old. What is the average of their ages?`,
          `${r.name} is ${others}. ${p.name} is ${age}. ${q.name} is ${more} years older than ${p.name}. Find the average age of the three.`,
        ]),
        steps: [
          `${q.name} is ${second} years old.`,
          `The sum of the ages is ${sum} years.`,
          `The average is ${mean} years.`,
        ],
        answer: mean,
      };
    },
  },
  {
    id: "ages/half-as-old",
    write(d) {
      const [p, q, r] = [d.person(), d.person(), d.person()];
      const [age, more, years] = [d.integer(6, 50), d.integer(2, 30), d.integer(2, 20)];
      const second = d.plus(age, more);
      const half = d.over(second, 2);
      const then = d.plus(half, years);
      return {
        question: d.choose([
          `${r.name} is ${age} years old. ${q.name} is ${more} years older than ${r.name}. ${p.name} is half as old as ${q.name}. How old will ${p.name} be in ${years} years?`,
          `${p.name} is half the age of ${q.name}, and ${q.name} is ${more} years older than ${r.name}. ${r.name} is ${age}. How old is ${p.name} going to be ${years} years from now?`,
        ]),
        steps: [
          `${q.name} is ${second} years old.`,
          `${p.name} is ${half} years old.`,
          `In ${years} years ${p.name} will be ${then} years old.`,
        ],
        answer: then,
      };
    },
  },
  {
    id: "ages/then-and-now",
    heldOut: true,
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [first, gap, now, years] = [
        d.integer(4, 15),
        d.integer(3, 20),
        d.integer(20, 50),
        d.integer(2, 15),
      ];
      const other = first + gap;
      const apart = d.minus(other, first);
      const second = d.plus(now, apart);
      const then = d.plus(second, years);
      return {
        question: `When ${p.name} was ${first} years old, ${q.name} was ${other}. Today ${p.name} is ${now}. How old will ${q.name} be ${years} years from today?`,
        steps: [
          `${q.name} is ${apart} years older.`,
          `Today ${q.name} is ${second} years old.`,
          `In ${years} years ${q.name} will be ${then} years old.`,
        ],
        answer: then,
      };
    },
  },
];
