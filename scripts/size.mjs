// Prints lines per folder of src/, and fails when a file is over its budget of 400 lines.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const budget = 400;
const files = readdirSync(join(root, "src"), { recursive: true })
  .filter((name) => /\.(ts|cc|h)$/.test(name))
  .map((name) => ({
    name,
    lines: readFileSync(join(root, "src", name), "utf8").split("\n").length,
  }));
const folders = new Map();
for (const file of files) {
  const folder = file.name.split("/")[0];
  const tests = /\.test\.ts$/.test(file.name);
  const entry = folders.get(folder) ?? { files: 0, lines: 0, testLines: 0 };
  if (tests) entry.testLines += file.lines;
  else {
    entry.files++;
    entry.lines += file.lines;
  }
  folders.set(folder, entry);
}
console.log("folder         files   lines   test lines");
for (const [folder, entry] of [...folders].sort()) {
  console.log(
    `${folder.padEnd(14)} ${String(entry.files).padStart(5)} ${String(entry.lines).padStart(7)} ${String(entry.testLines).padStart(12)}`,
  );
}
const over = files.filter((file) => file.lines > budget && !/\.test\.ts$/.test(file.name));
for (const file of over) console.error(`src/${file.name}: ${file.lines} lines, budget ${budget}`);
process.exit(over.length === 0 ? 0 : 1);
