/** The AMX kernels, over emulated tiles where the machine has none: about 40 s of CPU time, most of it compiling. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cpu = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
const missing = ["avx512_bf16", "avx512_vnni", "avx512vbmi"].filter(
  (feature) => !new RegExp(`\\b${feature}\\b`).test(cpu),
);
const reason =
  missing.length === 0 ? "" : ` (skipped: this processor has no ${missing.join(" and no ")})`;

test.skipIf(missing.length > 0)(
  `AMX products and attention pass every tail length${reason}`,
  () => {
    const check = spawnSync(process.execPath, [join(root, "scripts", "native-check.mjs"), "amx"], {
      encoding: "utf8",
    });
    expect(check.stdout + check.stderr).toMatch(/^instruction set: amx\n[\s\S]*\nok\n$/);
    expect(check.status).toBe(0);
  },
);
