// 50,000 requests of mixed abuse against `quantlab serve`: no block left over, memory flat after the first
// 10,000, in which the heap still grows to its size. The quick version of the same is part of `npm test`.
// Usage: node bench/abuse.mjs [requests]
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--reporter=verbose", "test/hazards/server-abuse.test.ts"],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, QUANTLAB_ABUSE_REQUESTS: process.argv[2] ?? "50000" },
  },
);
process.exitCode = status ?? 1;
