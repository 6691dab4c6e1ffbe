/** The real `vllm bench serve` against the same server, as another program that a user may have. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";

/** The part of its result that both sides have; milliseconds and per second. */
const resultSchema = z.looseObject({
  completed: z.number(),
  duration: z.number(),
  mean_ttft_ms: z.number(),
  p99_ttft_ms: z.number(),
  mean_itl_ms: z.number(),
  p99_itl_ms: z.number(),
  output_throughput: z.number(),
});
export type VllmFigures = z.infer<typeof resultSchema>;

export interface VllmRun {
  /** The `vllm` executable. */
  readonly executable: string;
  readonly baseUrl: string;
  readonly modelName: string;
  /** A folder with a tokenizer; undefined makes one that counts words. */
  readonly tokenizer?: string | undefined;
  /** Its `custom` data set as JSONL, each line with its own output_tokens. */
  readonly prompts: string;
  readonly count: number;
  /** Requests in flight at most; undefined sends as the rate says. */
  readonly maxConcurrency?: number | undefined;
  readonly requestRate?: number | undefined;
  readonly ignoreEos: boolean;
}

/** A tokenizer for tools that insist on one although nothing they report depends on it. */
const wordTokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  post_processor: null,
  decoder: null,
  pre_tokenizer: { type: "WhitespaceSplit" },
  model: { type: "WordLevel", vocab: { "[UNK]": 0 }, unk_token: "[UNK]" },
};

/** Runs it to its end. @throws target-failed with its last words */
export async function runVllmBench(run: VllmRun): Promise<VllmFigures> {
  const folder = await mkdtemp(join(tmpdir(), "quantlab-vllm-"));
  try {
    const prompts = join(folder, "prompts.jsonl");
    await writeFile(prompts, run.prompts);
    const tokenizer = run.tokenizer ?? (await writeTokenizer(folder));
    await finish(run.executable, [
      ...["bench", "serve", "--backend", "openai", "--endpoint", "/v1/completions"],
      ...["--base-url", run.baseUrl, "--model", run.modelName, "--tokenizer", tokenizer],
      ...["--dataset-name", "custom", "--dataset-path", prompts, "--custom-output-len", "-1"],
      ...["--skip-chat-template", "--disable-shuffle", "--num-prompts", String(run.count)],
      ...(run.maxConcurrency === undefined
        ? []
        : ["--max-concurrency", String(run.maxConcurrency)]),
      ...(run.requestRate === undefined ? [] : ["--request-rate", String(run.requestRate)]),
      ...(run.ignoreEos ? ["--ignore-eos"] : []),
      ...["--num-warmups", "4", "--temperature", "0", "--disable-tqdm"],
      ...["--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "90,95,99"],
      ...["--save-result", "--result-dir", folder, "--result-filename", "result.json"],
    ]);
    return resultSchema.parse(JSON.parse(await readFile(join(folder, "result.json"), "utf8")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** "0.11.0" and the like; undefined when it cannot be run. */
export async function vllmVersion(executable: string): Promise<string | undefined> {
  const text = await finish(executable, ["--version"]).catch(() => "");
  return /\d+\.\d+\S*/.exec(text)?.[0];
}

async function writeTokenizer(folder: string): Promise<string> {
  const path = join(folder, "tokenizer");
  await mkdir(path);
  const config = { tokenizer_class: "PreTrainedTokenizerFast", unk_token: "[UNK]" };
  await writeFile(join(path, "tokenizer.json"), JSON.stringify(wordTokenizer));
  await writeFile(join(path, "tokenizer_config.json"), JSON.stringify(config));
  await writeFile(join(path, "config.json"), JSON.stringify({ model_type: "llama" }));
  return path;
}

/** Both outputs of a program that ended well. */
function finish(executable: string, argv: readonly string[]): Promise<string> {
  const env = { ...process.env, VLLM_LOGGING_LEVEL: "ERROR", HF_HUB_OFFLINE: "1" };
  const child = spawn(executable, argv, { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    const fail = (how: string) =>
      reject(
        new QuantlabError("target-failed", `${executable} ${argv[0]} ${how}`, {
          hint: `its last words: ${output.trim().split("\n").slice(-3).join("\n")}`,
        }),
      );
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("close", (code) => (code === 0 ? resolve(output) : fail(`exited with ${code}`)));
  });
}
