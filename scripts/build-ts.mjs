// Compiles src/ to dist/ when src/ has changed, and copies the files that are not TypeScript.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint, readStamp, writeStamp } from "./stamp.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const force = process.argv.includes("--force");
const stampPath = join(root, "dist", "stamp.json");

const current = fingerprint(root, {
  folders: ["src"],
  files: ["tsconfig.json", "tsconfig.build.json", "package-lock.json"],
  pattern: /(?<!\.test)\.(ts|css|json|txt)$/,
  extra: process.version,
});
if (!force && existsSync(join(root, "dist", "cli", "main.js")) && readStamp(stampPath) === current)
  process.exit(0);

process.stderr.write("quantlab: compiling TypeScript\n");
rmSync(join(root, "dist"), { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const build = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: ["ignore", 2, 2],
});
if (build.status !== 0) process.exit(2);
for (const name of readdirSync(join(root, "src"), { recursive: true })) {
  if (/\.(css|json|txt)$/.test(name)) cpSync(join(root, "src", name), join(root, "dist", name));
}
writeStamp(stampPath, current);
