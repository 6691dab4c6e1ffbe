// Builds test/native/kernels.cc (with --sanitize under ASan and UBSan) and checks every instruction set;
// where the machine has AVX-512 and no AMX, the tiles are emulated.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isSanitized = process.argv.includes("--sanitize");
const folder = join(root, "build", isSanitized ? "native-sanitized" : "native");
mkdirSync(folder, { recursive: true });

/** Sources of the kernels that do not face Node. */
const sources = [
  "src/kernels",
  ...readdirSync(join(root, "src/formats")).map((f) => `src/formats/${f}`),
]
  .filter((path) => !path.includes("."))
  .flatMap((path) => readdirSync(join(root, path)).map((name) => join(root, path, name)))
  .filter((path) => path.endsWith(".cc"))
  .filter(
    (path) =>
      !/napi|border\.h|batch\.h|kv-cache\.h|rope\.h|attention/.test(readFileSync(path, "utf8")),
  );

const binary = join(folder, "kernels");
const hasAmx = /\bamx_bf16\b/.test(
  existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "",
);
const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"];
const flags = ["-std=c++20", "-Wall", "-Wextra", "-Wno-psabi", "-ffp-contract=off", "-pthread"];
const compile = spawnSync(
  process.env.CXX ?? "g++",
  [
    ...flags,
    ...(hasAmx ? [] : ["-DQUANTLAB_EMULATE_AMX"]),
    ...(isSanitized ? sanitizers : ["-O3"]),
    `-I${join(root, "src/kernels")}`,
    join(root, "test/native/kernels.cc"),
    ...sources,
    "-o",
    binary,
  ],
  { stdio: "inherit" },
);
if (compile.status !== 0) process.exit(compile.status ?? 1);
const only = process.argv.filter((word) => /^(portable|avx2|avx512|amx)$/.test(word));
for (const isa of only.length > 0 ? only : ["portable", "avx2", "avx512", "amx"]) {
  const run = spawnSync(binary, ["check"], {
    stdio: "inherit",
    env: { ...process.env, QUANTLAB_ISA: isa },
  });
  // 2: this machine does not offer that instruction set, and the program has said so.
  if (run.status !== 0 && run.status !== 2) process.exit(run.status ?? 1);
}
