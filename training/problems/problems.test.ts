import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import {
  distinctProblems,
  type Problem,
  problems,
  type Split,
  sideOf,
  toLine,
  writeProblem,
} from "./generate.ts";
import { heldOutTemplates, seenTemplates, templates } from "./registry.ts";
import { renderSet, sets } from "./sets.ts";
import { evaluateExpression, faultsOf } from "./verify.ts";

function take(split: Split, seed: number, count: number): Problem[] {
  const taken: Problem[] = [];
  for (const problem of problems(split, seed)) {
    if (taken.length === count) break;
    taken.push(problem);
  }
  return taken;
}

describe("templates", () => {
  it("are at least 60 for training, with unique names, over eleven topics", () => {
    expect(seenTemplates.length).toBeGreaterThanOrEqual(60);
    expect(heldOutTemplates.length).toBeGreaterThanOrEqual(10);
    expect(new Set(templates.map((template) => template.id)).size).toBe(templates.length);
    expect(new Set(templates.map((template) => template.id.split("/")[0])).size).toBe(11);
  });

  it.each(templates.map((template) => [template.id, template] as const))(
    "%s: 150 problems hold up to the independent evaluator",
    (_, template) => {
      const random = new Random(7);
      for (let i = 0; i < 150; i++) {
        const seen = i < 100 ? "train" : "larger";
        const problem = writeProblem(template, template.heldOut ? "held-out" : seen, random);
        expect(faultsOf(problem), toLine(problem)).toEqual([]);
        const steps = problem.answer.split("\n").length - 1;
        expect(steps).toBeGreaterThanOrEqual(2);
        expect(steps).toBeLessThanOrEqual(6);
        expect(problem.question).not.toMatch(/undefined|NaN|\[object|\s\s|^[a-z]/);
      }
    },
  );
});

describe("generation", () => {
  it("gives the same lines for the same seed and others for another", () => {
    const lines = (seed: number) => take("train", seed, 500).map(toLine).join("\n");
    expect(lines(1)).toBe(lines(1));
    expect(lines(1)).not.toBe(lines(2));
  });

  it("keeps the numbers of test and train apart", () => {
    const key = (problem: Problem) => `${problem.template}:${problem.numbers.join(",")}`;
    const train = new Set(take("train", 3, 20_000).map(key));
    const test = distinctProblems("test", 4, 1319);
    expect(test.length).toBe(1319);
    expect(new Set(test.map(key)).size).toBe(1319);
    expect(test.filter((problem) => train.has(key(problem)))).toEqual([]);
    expect(test.every((problem) => sideOf(problem.template, problem.numbers) === "test")).toBe(
      true,
    );
  });

  it("gives the test side about a tenth of the numbers of every template", () => {
    for (const template of seenTemplates) {
      const random = new Random(11);
      const tuples = new Set<string>();
      for (let i = 0; i < 400; i++) {
        for (const split of ["train", "test"] as const)
          tuples.add(`${split}:${writeProblem(template, split, random).numbers.join(",")}`);
      }
      const count = (split: string) =>
        [...tuples].filter((tuple) => tuple.startsWith(split)).length;
      expect(count("test"), template.id).toBeGreaterThan(20);
      expect(count("train"), template.id).toBeGreaterThan(100);
    }
  });

  it("draws in larger at least one number that training cannot draw", () => {
    const highest = new Map<string, number[]>();
    for (const { template, numbers } of take("train", 6, 20_000)) {
      const before = highest.get(template) ?? [];
      highest.set(
        template,
        numbers.map((number, i) => Math.max(number, before[i] ?? 0)),
      );
    }
    // Stories of `changes` vary in what their n-th number is; the others have fixed places.
    const larger = take("larger", 7, 500).filter(
      ({ template }) => !template.startsWith("changes/"),
    );
    expect(larger.length).toBeGreaterThan(400);
    const above = larger.filter(({ template, numbers }) =>
      numbers.some((number, i) => number > (highest.get(template)?.[i] ?? 0)),
    );
    expect(above.length).toBe(larger.length);
  });

  it("never tells a held-out story in training", () => {
    const seen = new Set(take("train", 5, 5000).map((problem) => problem.template));
    expect(heldOutTemplates.filter((template) => seen.has(template.id))).toEqual([]);
    expect(seen.size).toBe(seenTemplates.length);
  });
});

describe("gsm-synth", () => {
  const folder = new URL("../../models/gsm-tiny/gsm-synth/", import.meta.url);

  it.each(sets.map((set) => [set.file, set] as const))(
    "%s is regenerated bit for bit",
    (file, set) => {
      const stored = readFileSync(new URL(file, folder), "utf8");
      expect(stored === renderSet(set)).toBe(true);
      const items = stored
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(items.length).toBe(set.count);
      expect(items.flatMap(faultsOf)).toEqual([]);
    },
  );
});

describe("the independent evaluator", () => {
  it("computes exactly, products first", () => {
    expect(evaluateExpression("1/3+2*5")).toEqual({ above: 31n, below: 3n });
    expect(evaluateExpression("10-3-2")).toEqual({ above: 5n, below: 1n });
    expect(() => evaluateExpression("2**3")).toThrow();
  });

  it.each([
    ["a wrong result", "It is 2 * 3 = <<2*3=7>>7 apples.\n#### 7"],
    ["another number after the annotation", "It is 2 * 3 = <<2*3=6>>7 apples.\n#### 6"],
    ["an answer that is not the last result", "It is 2 * 3 = <<2*3=6>>6 apples.\n#### 5"],
    ["a number from nowhere", "It is 2 * 13 = <<2*13=26>>26 apples.\n#### 26"],
    ["a step without annotation", "It is six apples.\n#### 6"],
    ["no final line", "It is 2 * 3 = <<2*3=6>>6 apples."],
  ])("finds %s", (_, answer) => {
    expect(faultsOf({ question: "There are 2 boxes of 3 apples.", answer })).not.toEqual([]);
  });
});
