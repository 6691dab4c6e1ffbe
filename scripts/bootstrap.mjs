// Brings a fresh clone to a state that runs: dependencies, native addon, dist/. Needs nothing installed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `quantlab: Node ${process.version} is too old; install Node 20.19 or newer\n`,
  );
  process.exit(2);
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.status !== 0) process.exit(result.status ?? 2);
}

/** Whether everything that the lock file names is installed, at that version. */
function installed() {
  const path = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(path)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(path, "utf8")).packages;
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === "" || entry.optional || entry.peer) return true;
    return present[name]?.version === entry.version;
  });
}

if (!installed()) {
  process.stderr.write("quantlab: installing dependencies\n");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
  if (npm?.endsWith(".js")) run(process.execPath, [npm, ...args]);
  else run("npm", args);
}
run(process.execPath, [join(root, "scripts", "build-native.mjs")]);
run(process.execPath, [join(root, "scripts", "build-ts.mjs")]);
