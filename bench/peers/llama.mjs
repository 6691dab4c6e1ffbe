// Contender: llama.cpp, by its own llama-bench (one sequence) and llama-batched-bench (batches, context).
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { lengths } from "./cells.mjs";

/** Files by what follows the shape's name; bits a weight of their blocks of 32 and of the tied head. */
const file = (family, suffix, label, linear, head, full = false) => {
  // Its norms are FP32.
  return { family, suffix, label, bits: { linear, head, norm: 32 }, full };
};
export const llamaFiles = [
  file("16 bit", "bf16", "BF16", 16, 16, true),
  file("8 bit", "q8_0", "Q8_0, head Q8_0", 8.5, 8.5, true),
  file("8 bit", "q8_0-bf16head", "Q8_0, head BF16", 8.5, 16),
  file("4 bit", "q4_0", "Q4_0, head Q4_0", 4.5, 4.5, true),
  file("4 bit", "q4_1", "Q4_1, head Q4_1", 5, 5),
  file("4 bit", "q4_0-bf16head", "Q4_0, head BF16", 4.5, 16),
];

const settings = [
  { setting: "plain", groups: ["single", "batch", "long"], argv: [] },
  { setting: "flash off", groups: ["long"], argv: ["-fa", "off"] },
  { setting: "flash off", groups: ["batch"], argv: ["-fa", "off"], seldom: true },
  { setting: "micro-batch 2048", groups: ["long"], argv: ["-ub", "2048"], seldom: true },
];

/**
 * @param {string} bench path of llama-bench; llama-batched-bench lies beside it
 * @param {string | undefined} blasBench the same of a folder that also holds libggml-blas.so
 * @param {string} models folder of SHAPE-FORMAT.gguf
 */
export function llamaContenders({ bench, blasBench, models, model, threads }) {
  return llamaFiles.flatMap((file) => {
    const path = join(models, `${model.shape}-${file.suffix}.gguf`);
    const missing = [bench, path].find((needed) => !existsSync(needed));
    const row = ({ setting, groups, argv, program = bench, seldom = false }) => ({
      ...{ peer: "llama.cpp", family: file.family, format: file.label, setting, groups, seldom },
      bits: file.bits,
      ...(missing === undefined
        ? {}
        : { reason: `${basename(missing)} is missing: see README.md` }),
      visit: (group) => commandOf({ program, path, threads, group, argv }),
    });
    // Variants of one format differ in batch 1 alone; the whole series would double the run.
    if (!file.full) return [row({ setting: "plain", groups: ["single"], argv: [] })];
    const blas = {
      ...{ setting: "OpenBLAS", groups: ["single", "long"], seldom: true },
      ...{ argv: [], program: blasBench },
    };
    const withBlas = file.label === "BF16" && blasBench !== undefined ? [blas] : [];
    return [...settings, ...withBlas].map(row);
  });
}

function commandOf({ program, path, threads, group, argv }) {
  const shared = ["-m", path, "-t", String(threads), ...argv];
  const { promptTokens, decodeTokens, batchPrompt, batchSteps, contextPrompt, contextSteps } =
    lengths;
  if (group === "single") {
    const sizes = ["-p", String(promptTokens), "-n", String(decodeTokens), "-r", "1"];
    return { program, argv: [...shared, ...sizes, "-o", "jsonl"], parse: parseBench };
  }
  const batched = join(dirname(program), "llama-batched-bench");
  const sizes =
    group === "batch"
      ? [batchPrompt, batchSteps, "16,64", 64 * (batchPrompt + batchSteps)]
      : [contextPrompt, contextSteps, "1", contextPrompt + contextSteps];
  const [npp, ntg, npl, context] = sizes.map(String);
  const asked = ["-npp", npp, "-ntg", ntg, "-npl", npl, "-c", context, "-b", "2048"];
  return {
    program: batched,
    argv: [...shared, ...asked, "--output-format", "jsonl"],
    parse: group === "batch" ? parseBatched : parseLong,
  };
}

/** JSON objects, one a line, among log lines. */
function jsonLines(stdout) {
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

/** llama-bench's lines: a prompt has n_gen 0, a decode n_prompt 0. */
export function parseBench(stdout) {
  return jsonLines(stdout).flatMap(({ n_prompt: prompt, n_gen: generated, avg_ts, avg_ns }) => {
    if (generated > 0) return [{ cell: "decode 1", value: avg_ts }];
    return [
      { cell: `prefill ${prompt}`, value: avg_ts },
      { cell: `TTFT ${prompt}`, value: avg_ns / 1e6 },
    ];
  });
}

/** llama-batched-bench: speed_tg counts the tokens of all sequences. */
export function parseBatched(stdout) {
  return jsonLines(stdout).map(({ pl, speed_tg }) => ({ cell: `decode ${pl}`, value: speed_tg }));
}

export function parseLong(stdout) {
  return jsonLines(stdout).flatMap(({ pp, speed_pp, speed_tg }) => [
    { cell: `prefill ${pp}`, value: speed_pp },
    { cell: `decode 1 at ${pp}`, value: speed_tg },
  ]);
}
