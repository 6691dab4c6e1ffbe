// Runs vitest and ends with the plain line "N passed, N failed, N skipped" that scripts can read.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "quantlab-test-"));
const report = join(folder, "report.json");
const result = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
let passed = 0;
let failed = 0;
let skipped = 0;
let status = result.status ?? 1;
try {
  const summary = JSON.parse(readFileSync(report, "utf8"));
  passed = summary.numPassedTests;
  skipped = summary.numPendingTests + (summary.numTodoTests ?? 0);
  // A file that does not load counts as a failure, though it holds no failed test.
  const brokenFiles = summary.testResults.filter(
    (file) =>
      file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  failed = summary.numFailedTests + brokenFiles;
} catch {
  status ||= 1;
}
rmSync(folder, { recursive: true, force: true });
if (passed === 0) status ||= 1;
if (status !== 0 && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(status);
