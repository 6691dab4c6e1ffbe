// Builds test/native (with --sanitize under ASan and UBSan, with --arm64 by a cross compiler) and checks
// every instruction set; where the machine has AVX-512 and no AMX, the tiles are emulated.
//   node scripts/native-check.mjs [--sanitize] [--arm64] [portable] [avx2] [avx512] [amx] [neon]
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { sourcesFor } = createRequire(import.meta.url)("../src/kernels/sources.cjs");
const isSanitized = process.argv.includes("--sanitize");
const isCross = process.argv.includes("--arm64") && process.arch !== "arm64";
const arch = isCross ? "arm64" : process.arch;
const folder = join(root, "build", `native-${arch}${isSanitized ? "-sanitized" : ""}`);
mkdirSync(folder, { recursive: true });

const isas = arch === "arm64" ? ["portable", "neon"] : ["portable", "avx2", "avx512", "amx"];
const compiler = process.env.CXX ?? (isCross ? "aarch64-linux-gnu-g++" : "g++");
const emulator = isCross ? (process.env.QEMU ?? "qemu-aarch64") : undefined;
for (const tool of [compiler, emulator]) {
  if (tool === undefined || spawnSync(tool, ["--version"]).error === undefined) continue;
  console.error(
    `${tool} was not found; on Debian: apt-get install g++-aarch64-linux-gnu qemu-user`,
  );
  process.exit(3);
}

/** Sources of the kernels that do not face Node, and of the checks. */
const sources = [
  ...sourcesFor(arch).filter((path) => !/napi|border/.test(readFileSync(join(root, path), "utf8"))),
  ...readdirSync(join(root, "test/native"))
    .filter((name) => name.endsWith(".cc"))
    .map((name) => `test/native/${name}`),
];
const hasAmx =
  existsSync("/proc/cpuinfo") && /\bamx_bf16\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"];
const flags = [
  ...["-std=c++20", "-Wall", "-Wextra", "-Wno-psabi", "-ffp-contract=off", "-pthread"],
  ...(hasAmx || arch !== "x64" ? [] : ["-DQUANTLAB_EMULATE_AMX"]),
  ...(isSanitized ? sanitizers : ["-O3"]),
  // No loader and no libraries of the other processor are needed to run it.
  ...(isCross ? ["-static"] : []),
];

function run(command, args) {
  return new Promise((resolve) => {
    spawn(command, args, { cwd: root, stdio: "inherit" }).on("close", (status) =>
      resolve(status ?? 1),
    );
  });
}

const objects = sources.map((path) => join(folder, `${path.replaceAll("/", "_")}.o`));
let next = 0;
async function compileSome() {
  for (let i = next++; i < sources.length; i = next++) {
    const status = await run(compiler, [
      ...flags,
      "-Isrc/kernels",
      "-c",
      sources[i],
      "-o",
      objects[i],
    ]);
    if (status !== 0) process.exit(status);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, compileSome));
const binary = join(folder, "kernels");
const linked = await run(compiler, [...flags, ...objects, "-o", binary]);
if (linked !== 0) process.exit(linked);

const only = process.argv.filter((word) => isas.includes(word));
for (const isa of only.length > 0 ? only : isas) {
  const [command, ...args] = [...(emulator === undefined ? [] : [emulator]), binary, "check"];
  const check = spawnSync(command, args, {
    stdio: "inherit",
    env: { ...process.env, QUANTLAB_ISA: isa },
  });
  // 2: this machine does not offer that instruction set, and the program has said so.
  if (check.status !== 0 && check.status !== 2) process.exit(check.status ?? 1);
}
