// Compiles the problem generator to training/dist/ and runs it with the given arguments.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const run = (...args) => {
  const result = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
};
run(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", here);
run(join(here, "dist", "training", "problems", "main.js"), ...process.argv.slice(2));
