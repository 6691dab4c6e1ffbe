// Writes docs/metrics.md from src/metrics/definitions.ts (through dist/, which it brings up to date).
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = spawnSync(process.execPath, [join(root, "scripts", "build-ts.mjs")], {
  stdio: "inherit",
});
if (build.status !== 0) process.exit(build.status ?? 1);
const { renderMetricsPage } = await import("../dist/metrics/reference-page.js");
mkdirSync(join(root, "docs"), { recursive: true });
writeFileSync(join(root, "docs", "metrics.md"), renderMetricsPage());
