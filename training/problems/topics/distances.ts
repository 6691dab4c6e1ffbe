/** Stories about speed, distance and journeys. */
import type { Template } from "../template.ts";

const transport = ["car", "bus", "train", "van", "truck"];

export const distances: readonly Template[] = [
  {
    id: "distances/two-legs",
    write(d) {
      const p = d.person();
      const [h1, v1, h2, v2] = [
        d.integer(2, 8),
        d.integer(20, 70, 5),
        d.integer(2, 8),
        d.integer(20, 70, 5),
      ];
      const first = d.times(h1, v1);
      const second = d.times(h2, v2);
      const total = d.plus(first, second);
      return {
        question: d.choose([
          `${p.name} drives for ${h1} hours at ${v1} miles per hour and then for ${h2} hours at ${v2} miles per hour. How many miles does ${p.they} drive in all?`,
          `A ${d.choose(transport)} travels ${h1} hours at a speed of ${v1} miles per hour. Then it travels ${h2} more hours at ${v2} miles per hour. How far does it go in total?`,
        ]),
        steps: [
          `The first part is ${first} miles.`,
          `The second part is ${second} miles.`,
          `The total distance is ${total} miles.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "distances/commute",
    write(d) {
      const p = d.person();
      const [miles, days, weeks, extra] = [
        d.integer(2, 30),
        d.integer(3, 6),
        d.integer(2, 8),
        d.integer(5, 80),
      ];
      const daily = d.times(2, miles);
      const weekly = d.times(daily, days);
      const all = d.times(weekly, weeks);
      const total = d.plus(all, extra);
      return {
        question: d.choose([
          `${p.name} lives ${miles} miles from work and drives there and back ${days} days a week. How many miles does ${p.they} drive in ${weeks} weeks if ${p.they} also takes one trip of ${extra} miles?`,
          `The way to school is ${miles} miles long. ${p.name} cycles to school and back home ${days} days each week for ${weeks} weeks, and on a holiday ${p.they} cycles another ${extra} miles. How many miles is that altogether?`,
        ]),
        steps: [
          `There and back is ${daily} miles.`,
          `In a week it is ${weekly} miles.`,
          `In ${weeks} weeks it is ${all} miles.`,
          `With the extra trip it is ${total} miles.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "distances/remaining",
    write(d) {
      const p = d.person();
      const [all, speed, hours, more] = [
        d.integer(150, 900, 10),
        d.integer(20, 70, 5),
        d.integer(2, 7),
        d.integer(10, 90, 5),
      ];
      const driven = d.times(speed, hours);
      const sofar = d.plus(driven, more);
      const left = d.minus(all, sofar);
      return {
        question: d.choose([
          `${p.name} is on a trip of ${all} miles. ${p.They} drives ${hours} hours at ${speed} miles per hour, rests, and drives another ${more} miles. How many miles are left?`,
          `The distance to the sea is ${all} miles. ${d.when()}${p.name} drove for ${hours} hours at ${speed} miles per hour before lunch and ${more} miles after lunch. How many miles remained?`,
        ]),
        steps: [
          `First ${p.name} drives ${driven} miles.`,
          `So far it is ${sofar} miles.`,
          `There are ${left} miles left.`,
        ],
        answer: left,
      };
    },
  },
  {
    id: "distances/laps",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [track, laps, more, days] = [
        d.integer(100, 400, 50),
        d.integer(2, 6),
        d.integer(2, 4),
        d.integer(2, 5),
      ];
      const other = d.plus(laps, more);
      const both = d.plus(laps, other);
      const meters = d.times(both, track);
      const total = d.times(meters, days);
      return {
        question: d.choose([
          `A track is ${track} meters long. Every day ${p.name} runs ${laps} laps and ${q.name} runs ${more} more laps than ${p.name}. How many meters do they run together in ${days} days?`,
          `${p.name} swims ${laps} lengths of a ${track} meter course each day, and ${q.name} swims ${more} more lengths than that. How many meters is that for both of them in ${days} days?`,
        ]),
        steps: [
          `${q.name} does ${other} a day.`,
          `Together they do ${both} a day.`,
          `That is ${meters} meters a day.`,
          `In ${days} days it is ${total} meters.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "distances/apart",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [slow, more, hours] = [d.integer(3, 50), d.integer(2, 20), d.integer(2, 9)];
      const fast = d.plus(slow, more);
      const both = d.plus(slow, fast);
      const far = d.times(both, hours);
      return {
        question: d.choose([
          `${p.name} and ${q.name} start at the same place and travel in opposite directions. ${p.name} goes ${slow} miles per hour and ${q.name} goes ${more} miles per hour faster. How far apart are they after ${hours} hours?`,
          `${p.name} rides north at ${slow} miles per hour while ${q.name} rides south from the same place, ${more} miles per hour faster than ${p.name}. What is the distance between them after ${hours} hours?`,
        ]),
        steps: [
          `${q.name} goes ${fast} miles per hour.`,
          `Each hour they get ${both} miles further apart.`,
          `After ${hours} hours they are ${far} miles apart.`,
        ],
        answer: far,
      };
    },
  },
  {
    id: "distances/how-much-farther",
    write(d) {
      const [p, q] = [d.person(), d.person()];
      const [slow, h1, fast, h2] = [
        d.integer(3, 30),
        d.integer(2, 7),
        d.integer(10, 60),
        d.integer(2, 7),
      ];
      const first = d.times(slow, h1);
      const second = d.times(fast, h2);
      const more = d.minus(second, first);
      return {
        question: d.choose([
          `${p.name} cycles ${h1} hours at ${slow} kilometers per hour. ${q.name} drives ${h2} hours at ${fast} kilometers per hour. How many kilometers farther does ${q.name} travel?`,
          `${q.name} traveled ${h2} hours at ${fast} kilometers per hour and ${p.name} traveled ${h1} hours at ${slow} kilometers per hour. How much longer was the way of ${q.name} in kilometers?`,
        ]),
        steps: [
          `${p.name} travels ${first} kilometers.`,
          `${q.name} travels ${second} kilometers.`,
          `The difference is ${more} kilometers.`,
        ],
        answer: more,
      };
    },
  },
  {
    id: "distances/fuel",
    write(d) {
      const p = d.person();
      const [mpg, gallons, price, toll] = [
        d.integer(15, 40, 5),
        d.integer(2, 15),
        d.integer(2, 6),
        d.integer(3, 25),
      ];
      const miles = mpg * gallons;
      const needed = d.over(miles, mpg);
      const fuel = d.times(needed, price);
      const total = d.plus(fuel, toll);
      return {
        question: d.choose([
          `The car of ${p.name} goes ${mpg} miles on a gallon of gas. A gallon costs $${price}. How much does a trip of ${miles} miles cost if ${p.they} also pays $${toll} in tolls?`,
          `${p.name} plans a drive of ${miles} miles. The car needs one gallon every ${mpg} miles, gas costs $${price} per gallon and the tolls are $${toll}. What does the drive cost?`,
        ]),
        steps: [
          `The car needs ${needed} gallons.`,
          `The gas costs ${fuel.money}.`,
          `With the tolls it is ${total.money}.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "distances/three-stages",
    write(d) {
      const p = d.person();
      const [walk, m, less] = [d.integer(2, 25), d.integer(2, 9), d.integer(2, 15)];
      const ride = d.times(m, walk);
      const sail = d.minus(ride, less);
      const total = d.plus(walk, ride, sail);
      return {
        question: d.choose([
          `On a tour ${p.name} walks ${walk} kilometers, rides ${d.fold(m)} as far on a bike and then sails ${less} kilometers less than ${p.they} rode. How long is the tour in kilometers?`,
          `${d.when()}${p.name} walked ${walk} kilometers and rode a bus ${d.fold(m)} that distance. Then ${p.they} took a boat for ${less} kilometers less than the bus ride. What was the total distance in kilometers?`,
        ]),
        steps: [
          `The ride is ${ride} kilometers.`,
          `On the water it is ${sail} kilometers.`,
          `The total is ${total} kilometers.`,
        ],
        answer: total,
      };
    },
  },
  {
    id: "distances/average-speed",
    heldOut: true,
    write(d) {
      const p = d.person();
      const [d1, d2, h1, h2] = [
        d.integer(30, 300, 10),
        d.integer(30, 300, 10),
        d.integer(1, 5),
        d.integer(1, 5),
      ];
      const miles = d.plus(d1, d2);
      const hours = d.plus(h1, h2);
      const speed = d.over(miles, hours);
      return {
        question: `${p.name} drove ${d1} miles in ${h1} hours, took a break, and then drove ${d2} miles in ${h2} hours. What was the average speed of ${p.name} while driving, in miles per hour?`,
        steps: [
          `In total ${p.name} drove ${miles} miles.`,
          `The driving took ${hours} hours.`,
          `The average speed was ${speed} miles per hour.`,
        ],
        answer: speed,
      };
    },
  },
];
