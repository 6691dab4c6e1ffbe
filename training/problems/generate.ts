/** Generates word problems: seeded, split by numbers and by template, in GSM8K's schema. */
import { Random } from "../../src/base/random.ts";
import { Draw, rejected } from "./draw.ts";
import { heldOutTemplates, seenTemplates } from "./registry.ts";
import type { Draft, Template } from "./template.ts";

/**
 * `train` and `test` tell the same stories with disjoint numbers; `larger` tells them with at least
 * one number above its range in training; `held-out` tells other stories.
 */
export type Split = "train" | "test" | "larger" | "held-out";
export const splits: readonly Split[] = ["train", "test", "larger", "held-out"];

/** One line of a GSM8K file. */
export interface Item {
  readonly question: string;
  readonly answer: string;
}

/** An item with where it came from. */
export interface Problem extends Item {
  readonly template: string;
  /** The drawn numbers in order; with the template they decide the split. */
  readonly numbers: readonly number[];
}

/** One of this many tuples of numbers belongs to the test split. */
const testShare = 10;

/** In `larger`, ranges of numbers are this many times as wide as in training. */
const stretch = 1.5;

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  // The low bits of FNV-1a mix poorly: fold the high ones in.
  return (value ^ (value >>> 15)) >>> 0;
}

/** Whether a tuple of numbers belongs to the training or the test side of a template. */
export function sideOf(template: string, numbers: readonly number[]): "train" | "test" {
  return hash(`${template}:${numbers.join(",")}`) % testShare === 0 ? "test" : "train";
}

interface Attempt {
  readonly draft: Draft;
  readonly draw: Draw;
}

function attempt(template: Template, split: Split, random: Random): Attempt | undefined {
  const draw = new Draw(random, split === "larger" ? stretch : 1);
  try {
    return { draft: template.write(draw), draw };
  } catch (error) {
    if (error === rejected) return undefined;
    throw error;
  }
}

/** Whether what was drawn is on the side that `split` asks for. */
function belongs(template: Template, split: Split, draw: Draw): boolean {
  if (split === "held-out") return true;
  if (split === "larger") return draw.larger;
  return sideOf(template.id, draw.numbers) === split;
}

/** One problem of `template` on the side that `split` asks for. */
export function writeProblem(template: Template, split: Split, random: Random): Problem {
  for (;;) {
    const written = attempt(template, split, random);
    if (written === undefined || !belongs(template, split, written.draw)) continue;
    const numbers = written.draw.numbers;
    const { question, steps, answer } = written.draft;
    return {
      question,
      answer: [...steps, `#### ${answer.value}`].join("\n"),
      template: template.id,
      numbers,
    };
  }
}

/** Problems without end, every template once per round in shuffled order. */
export function* problems(split: Split, seed: number): Generator<Problem, never> {
  const random = new Random(seed);
  const templates = split === "held-out" ? heldOutTemplates : seenTemplates;
  for (;;) {
    for (const template of random.shuffle(templates)) yield writeProblem(template, split, random);
  }
}

/** `count` problems, no two of one template with the same numbers. */
export function distinctProblems(split: Split, seed: number, count: number): Problem[] {
  const seen = new Set<string>();
  const chosen: Problem[] = [];
  for (const problem of problems(split, seed)) {
    if (chosen.length === count) break;
    const key = `${problem.template}:${problem.numbers.join(",")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    chosen.push(problem);
  }
  return chosen;
}

/** The line of a JSONL file in GSM8K's schema. */
export function toLine(item: Item): string {
  return JSON.stringify({ question: item.question, answer: item.answer });
}
