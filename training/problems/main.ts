/** Command line of the generator: writes a file of problems, bit for bit the same for the same seed. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { problems, type Split, splits, toLine } from "./generate.ts";
import { renderSet, sets } from "./sets.ts";

const usage = `usage: node training/generate.mjs --split train|test|larger|held-out --count N --seed S --out FILE
       node training/generate.mjs --sets FOLDER
  --sets  writes the committed files of gsm-synth (sets.ts): no numbers occur twice in a template
`;

/** Lines are collected to about this many characters before they are written. */
const chunkCharacters = 1 << 20;

function refuse(message: string): never {
  process.stderr.write(`${message}\n${usage}`);
  process.exit(2);
}

/** An integer argument of at least `low`. */
function integer(name: string, text: string | undefined, low: number): number {
  const value = Number(text);
  if (text !== undefined && Number.isSafeInteger(value) && value >= low) return value;
  return refuse(`--${name} is "${text ?? ""}", expected an integer of at least ${low}`);
}

function writeStream(split: Split, seed: number, count: number, path: string): void {
  const file = openSync(path, "w");
  let pending = "";
  let written = 0;
  for (const problem of problems(split, seed)) {
    if (written === count) break;
    pending += `${toLine(problem)}\n`;
    written++;
    if (pending.length < chunkCharacters) continue;
    writeSync(file, pending);
    pending = "";
  }
  writeSync(file, pending);
  closeSync(file);
}

const { values } = parseArgs({
  options: {
    split: { type: "string" },
    count: { type: "string" },
    seed: { type: "string" },
    out: { type: "string" },
    sets: { type: "string" },
  },
});
if (values.sets !== undefined) {
  for (const set of sets) writeFileSync(join(values.sets, set.file), renderSet(set));
} else {
  const split = splits.find((name) => name === values.split);
  if (split === undefined) refuse(`--split is "${values.split ?? ""}"`);
  if (values.out === undefined) refuse("--out is missing");
  const seed = integer("seed", values.seed, Number.MIN_SAFE_INTEGER);
  writeStream(split, seed, integer("count", values.count, 1), values.out);
}
