/** The arm64 kernels, cross-compiled and run under emulation: about 40 s of CPU time. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const missing = ["aarch64-linux-gnu-g++", "qemu-aarch64"].filter(
  (tool) => spawnSync(tool, ["--version"]).error !== undefined,
);
const reason =
  missing.length === 0
    ? ""
    : ` (skipped: ${missing.join(" and ")} not installed; on Debian: apt-get install g++-aarch64-linux-gnu qemu-user)`;

test.skipIf(process.arch === "arm64" || missing.length > 0)(
  `NEON products, attention and row ops pass every tail length under qemu${reason}`,
  () => {
    const check = spawnSync(
      process.execPath,
      [join(root, "scripts", "native-check.mjs"), "--arm64", "neon"],
      { encoding: "utf8" },
    );
    expect(check.stdout + check.stderr).toMatch(/^instruction set: neon\n[\s\S]*\nok\n$/);
    expect(check.status).toBe(0);
  },
);
