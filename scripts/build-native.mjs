// Builds the native addon with the node-gyp that npm ships, against Node's own headers where they are.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint, readStamp, writeStamp } from "./stamp.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const force = process.argv.includes("--force");
const stampPath = join(root, "build", "stamp.json");
const addonPath = join(root, "build", "Release", "kernels.node");

/** Runs a command quietly; undefined when it does not exist. */
function quiet(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8" });
  return result.error === undefined && result.status === 0 ? result.stdout : undefined;
}

function refuse(message) {
  process.stderr.write(`quantlab: ${message}\n`);
  process.exit(2);
}

/** The folder whose include/node holds this Node's headers, or undefined. */
function nodeDirectory() {
  const candidates = [dirname(dirname(process.execPath)), "/usr", "/usr/local"];
  return candidates.find((candidate) => {
    const header = join(candidate, "include", "node", "node_version.h");
    if (!existsSync(header)) return false;
    const text = readFileSync(header, "utf8");
    const part = (name) => text.match(new RegExp(`#define NODE_${name}_VERSION (\\d+)`))?.[1];
    const version = `v${part("MAJOR")}.${part("MINOR")}.${part("PATCH")}`;
    return version === process.version;
  });
}

/** Path of node-gyp: on the PATH inside npm scripts, otherwise inside npm's own folder. */
function nodeGyp() {
  const npmCli = process.env.npm_execpath;
  const candidates = [
    npmCli && join(dirname(dirname(npmCli)), "node_modules", "node-gyp", "bin", "node-gyp.js"),
    join(
      dirname(process.execPath),
      "..",
      "lib",
      "node_modules",
      "npm",
      "node_modules",
      "node-gyp",
      "bin",
      "node-gyp.js",
    ),
    "/usr/share/nodejs/node-gyp/bin/node-gyp.js",
  ];
  const found = candidates.find((path) => path && existsSync(path));
  if (found === undefined)
    refuse("node-gyp was not found; run this through npm: `npm run build:native`");
  return found;
}

const current = fingerprint(root, {
  folders: ["src/kernels", "src/formats"],
  files: ["binding.gyp"],
  pattern: /\.(cc|h|cjs)$/,
  extra: `${process.version} ${process.arch}`,
});
if (!force && existsSync(addonPath) && readStamp(stampPath) === current) process.exit(0);

const compiler = process.env.CXX ?? "g++";
const missing = [];
if (quiet(compiler, ["--version"]) === undefined && quiet("clang++", ["--version"]) === undefined)
  missing.push("a C++ compiler (g++ 11 or newer, or clang++)");
if (quiet("make", ["--version"]) === undefined) missing.push("make");
if (quiet(process.env.PYTHON ?? "python3", ["--version"]) === undefined)
  missing.push("python3 (node-gyp needs it to build; quantlab does not)");
if (missing.length > 0) {
  refuse(
    `cannot build the native kernels: missing ${missing.join(", ")}.\n` +
      "  Debian, Ubuntu: sudo apt-get install g++ make python3\n" +
      "  Fedora:         sudo dnf install gcc-c++ make python3\n" +
      "  macOS:          xcode-select --install",
  );
}

const nodedir = nodeDirectory();
const args = [nodeGyp(), "rebuild", "--jobs", "max", "--loglevel", "warn"];
if (nodedir !== undefined) args.push(`--nodedir=${nodedir}`);
process.stderr.write(
  `quantlab: building the native kernels${nodedir === undefined ? " (Node's headers will be downloaded)" : ""}\n`,
);
const build = spawnSync(process.execPath, args, {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 1 << 28,
});
if (build.status !== 0) {
  process.stderr.write(`${build.stdout ?? ""}${build.stderr ?? ""}\n`);
  refuse("the native kernels did not build; the compiler's messages are above");
}
if (process.env.QUANTLAB_BUILD_VERBOSE) process.stderr.write(`${build.stdout}${build.stderr}`);
writeStamp(stampPath, current);
