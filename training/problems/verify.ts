/** Checks a solution without the generator's arithmetic: reads the annotations back and recomputes them. */
import type { Item } from "./generate.ts";

/** A fraction in lowest terms is not needed: equality is by cross product. */
interface Ratio {
  readonly above: bigint;
  readonly below: bigint;
}

/** Value of an expression of integers and + - * / by recursive descent, exactly. */
export function evaluateExpression(text: string): Ratio {
  const tokens = text.match(/\d+|[-+*/]/g) ?? [];
  if (tokens.join("") !== text) throw new Error(`cannot read the expression "${text}"`);
  let at = 0;
  const factor = (): Ratio => {
    const token = tokens[at++];
    if (token === undefined || !/^\d+$/.test(token))
      throw new Error(`number expected in "${text}"`);
    return { above: BigInt(token), below: 1n };
  };
  const term = (): Ratio => {
    let left = factor();
    while (tokens[at] === "*" || tokens[at] === "/") {
      const divides = tokens[at++] === "/";
      const right = factor();
      left = divides
        ? { above: left.above * right.below, below: left.below * right.above }
        : { above: left.above * right.above, below: left.below * right.below };
    }
    return left;
  };
  let left = term();
  while (at < tokens.length) {
    const sign = tokens[at++] === "-" ? -1n : 1n;
    const right = term();
    left = {
      above: left.above * right.below + sign * right.above * left.below,
      below: left.below * right.below,
    };
  }
  return left;
}

/** Numbers that a story says in words or that everyone knows: halves, weeks, hours, cents, per cent. */
const known = new Set(["1", "2", "3", "4", "5", "6", "7", "10", "25", "60", "100"]);

/** What is wrong with a problem; empty when nothing is. */
export function faultsOf(item: Item): string[] {
  const faults: string[] = [];
  const given = new Set(item.question.match(/\d+/g) ?? []);
  const lines = item.answer.split("\n");
  const final = lines.pop()?.match(/^#### (\d+)$/)?.[1];
  if (final === undefined) faults.push("the last line is not `#### N`");
  let last: string | undefined;
  for (const line of lines) {
    const notes = [...line.matchAll(/([\d+\-*/x ]+) = \$?<<([^<>=]+)=(\d+)>>(\d+)/g)];
    if (notes.length === 0) faults.push(`a step has no annotation: ${line}`);
    for (const [, shown = "", expression = "", result = "", repeated = ""] of notes) {
      if (shown.replaceAll(" ", "").replaceAll("x", "*") !== expression)
        faults.push(`shown "${shown}" is not "${expression}"`);
      const { above, below } = evaluateExpression(expression);
      if (above !== BigInt(result) * below) faults.push(`${expression} is not ${result}`);
      if (result !== repeated) faults.push(`${result} is followed by ${repeated}`);
      for (const operand of expression.match(/\d+/g) ?? [])
        if (!given.has(operand) && !known.has(operand))
          faults.push(`${operand} in ${expression} comes from nowhere`);
      given.add(result);
      last = result;
    }
  }
  if (last !== final) faults.push(`the answer ${final} is not the last result ${last}`);
  return faults;
}
