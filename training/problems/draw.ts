/** What a template draws from: seeded names, things, numbers and phrasings, and exact arithmetic. */
import type { Random } from "../../src/base/random.ts";
import { type Person, type Thing, things, women, men, type ThingKind } from "./words.ts";

/** Thrown when drawn numbers do not work out (a fraction, a negative amount); the caller draws again. */
export const rejected: unique symbol = Symbol("rejected");

/** Largest number in any problem: four digits, so that no separator of thousands is needed. */
const largest = 9999;

export type Operator = "+" | "-" | "*" | "/";
export type Operand = number | Result;

/** The value of a calculation and how a solution shows it. */
export class Result {
  readonly value: number;
  readonly #shown: string;
  readonly #expression: string;

  constructor(value: number, shown: string, expression: string) {
    this.value = value;
    this.#shown = shown;
    this.#expression = expression;
  }

  /** `12 * 3 = <<12*3=36>>36`, GSM8K's calculator annotation. */
  toString(): string {
    return `${this.#shown} = <<${this.#expression}=${this.value}>>${this.value}`;
  }

  /** The same with a dollar sign before the result. */
  get money(): string {
    return `${this.#shown} = $<<${this.#expression}=${this.value}>>${this.value}`;
  }
}

/** Values of `operands` joined by `operators`, products first; rejects fractions and overflow. */
function evaluate(operands: readonly number[], operators: readonly Operator[]): number {
  let total = 0;
  let sign = 1;
  let product = operands[0] as number;
  operators.forEach((operator, i) => {
    const operand = operands[i + 1] as number;
    if (operator === "*") product *= operand;
    else if (operator === "/") product /= operand;
    else {
      total += sign * product;
      sign = operator === "+" ? 1 : -1;
      product = operand;
    }
  });
  total += sign * product;
  if (!Number.isInteger(total) || total < 1 || total > largest) throw rejected;
  return total;
}

/** One problem's draws. Numbers are logged: they decide on which side of the split the problem falls. */
export class Draw {
  readonly #random: Random;
  readonly #numbers: number[] = [];
  readonly #used = new Set<string>();
  readonly #spaced: boolean;
  readonly #times: string;
  readonly #stretch: number;
  #larger = false;

  /** `stretch` widens every range of `integer` upwards, to that multiple of its width. */
  constructor(random: Random, stretch = 1) {
    this.#random = random;
    this.#stretch = stretch;
    this.#spaced = random.uniform() < 0.7;
    this.#times = random.uniform() < 0.7 ? "*" : "x";
  }

  /** Every number that was drawn, in order. */
  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /** Whether a number was drawn that lies above its range before stretching. */
  get larger(): boolean {
    return this.#larger;
  }

  /** A number of the story in [low, high], a multiple of `step` away from `low`. */
  integer(low: number, high: number, step = 1): number {
    const choices = Math.floor(((high - low) * this.#stretch) / step);
    const value = low + step * this.#random.integer(0, choices);
    if (value > high) this.#larger = true;
    this.#numbers.push(value);
    return value;
  }

  /** One of several numbers of the story. */
  among(values: readonly number[]): number {
    const value = values[this.#random.integer(0, values.length - 1)] as number;
    this.#numbers.push(value);
    return value;
  }

  /** How many events a story has: logged as a number, never stretched. */
  events(low: number, high: number): number {
    const count = this.#random.integer(low, high);
    this.#numbers.push(count);
    return count;
  }

  /** One of several kinds of event; which one is logged as a number. */
  kind<T>(kinds: readonly T[]): T {
    const index = this.#random.integer(0, kinds.length - 1);
    this.#numbers.push(index);
    return kinds[index] as T;
  }

  /** A choice of words: does not count as a number. */
  choose<T>(items: readonly T[]): T {
    return items[this.#random.integer(0, items.length - 1)] as T;
  }

  /** A person not yet in this story. */
  person(): Person {
    return this.#fresh(this.#random.uniform() < 0.5 ? women : men, (person) => person.name);
  }

  /** A kind of thing not yet in this story. */
  thing(kind: ThingKind): Thing {
    return this.#fresh(things[kind], (thing) => thing.many);
  }

  #fresh<T>(items: readonly T[], name: (item: T) => string): T {
    for (;;) {
      const item = this.choose(items);
      if (this.#used.has(name(item))) continue;
      this.#used.add(name(item));
      return item;
    }
  }

  /** Words that open a sentence in the past tense, or nothing. */
  when(): string {
    return this.choose([
      "",
      "",
      "",
      "Last week, ",
      "Yesterday, ",
      "One day, ",
      "On Monday, ",
      "On Friday, ",
      "On Saturday, ",
      "This morning, ",
      "Last month, ",
    ]);
  }

  /** The text of a multiplier from 2 to 9. */
  fold(multiplier: number): string {
    const words = ["", "", "twice", "three times", "four times", "five times", "six times"];
    return words[multiplier] ?? `${multiplier} times`;
  }

  /** A calculation: operand, operator, operand, ... with products before sums. */
  calculate(...terms: readonly (Operand | Operator)[]): Result {
    const operands: number[] = [];
    const operators: Operator[] = [];
    for (const term of terms) {
      if (typeof term === "string") operators.push(term);
      else operands.push(typeof term === "number" ? term : term.value);
    }
    const value = evaluate(operands, operators);
    const join = (render: (operator: Operator) => string) =>
      operands.reduce(
        (text, operand, i) =>
          i === 0 ? `${operand}` : text + render(operators[i - 1] as Operator) + operand,
        "",
      );
    const gap = this.#spaced ? " " : "";
    const shown = join((operator) => `${gap}${operator === "*" ? this.#times : operator}${gap}`);
    return new Result(
      value,
      shown,
      join((operator) => operator),
    );
  }

  /** Sum of two or more amounts. */
  plus(first: Operand, ...rest: readonly Operand[]): Result {
    return this.calculate(first, ...rest.flatMap((operand) => ["+" as const, operand]));
  }

  /** What is left after taking one or more amounts away. */
  minus(first: Operand, ...rest: readonly Operand[]): Result {
    return this.calculate(first, ...rest.flatMap((operand) => ["-" as const, operand]));
  }

  /** Product of two or more amounts. */
  times(first: Operand, ...rest: readonly Operand[]): Result {
    return this.calculate(first, ...rest.flatMap((operand) => ["*" as const, operand]));
  }

  /** Exact quotient. */
  over(dividend: Operand, divisor: Operand): Result {
    return this.calculate(dividend, "/", divisor);
  }

  /** `percent` per cent of an amount. */
  percent(percent: Operand, amount: Operand): Result {
    return this.calculate(amount, "*", percent, "/", 100);
  }
}
