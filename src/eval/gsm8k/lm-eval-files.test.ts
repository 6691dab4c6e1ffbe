import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readProblems } from "./dataset.ts";
import { type EvalResponse, scoreAll } from "./evaluate.ts";
import {
  type EvalRun,
  resultsDocument,
  sampleLines,
  sanitizedModelName,
  writeLmEvalFiles,
} from "./lm-eval-files.ts";
import { buildPrompts, type PromptStyle } from "./prompt.ts";

// Written by test/oracles/lm_eval_files.py with lm_eval 0.4.13.
const folder = fileURLToPath(new URL("../../../test/fixtures/eval/tiny/", import.meta.url));
const replies = [" 15 * 8 = 120\n#### 120", " It is 2250.\u2028", " \u22125 or -5\n#### 5\n"];

let out = "";
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "quantlab-eval-files-"));
});
afterAll(() => rm(out, { recursive: true, force: true }));

async function evaluated(style: PromptStyle): Promise<EvalRun> {
  const problems = await readProblems(join(folder, "test.jsonl"), 3);
  const options = { numFewshot: 3, fewshotSeed: 1234, style };
  const prompts = buildPrompts(problems, 3, options);
  const responses = replies.map(
    (text, docId): EvalResponse => ({ docId, promptHash: "", text, ms: 1 }),
  );
  return {
    scored: scoreAll(prompts, responses),
    options,
    available: 3,
    limit: undefined,
    maxGenToks: 256,
    modelName: "a/b: c",
    baseUrl: "http://127.0.0.1:1",
    concurrency: 1,
    startedWallMs: 1_000,
    durationMs: 500,
    quantlab: { format: "bf16" },
  };
}

describe("files in the harness's layout", () => {
  it.each([
    ["plain", "plain"],
    ["chat", "chat-multiturn"],
  ] as const)("%s samples are its own, byte for byte", async (name, style) => {
    const theirs = await readFile(join(folder, `samples-${name}.jsonl`), "utf8");
    expect(sampleLines((await evaluated(style)).scored)).toBe(theirs);
  });

  it.each([
    ["plain", "plain"],
    ["chat", "chat-multiturn"],
  ] as const)("%s results hold its figures and task hash", async (name, style) => {
    const theirs = JSON.parse(await readFile(join(folder, `results-${name}.json`), "utf8"));
    expect(resultsDocument(await evaluated(style), true)).toMatchObject(theirs);
  });

  it("lie where it puts them", async () => {
    const { results, samples } = await writeLmEvalFiles(out, await evaluated("plain"), true);
    const names = await readdir(join(out, "a__b__ c"));
    expect(names).toHaveLength(2);
    const time = names.find((name) => name.startsWith("results_"))?.slice("results_".length, -5);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}$/);
    expect(samples).toBe(join(out, "a__b__ c", `samples_gsm8k_${time}.jsonl`));
    expect(JSON.parse(await readFile(results, "utf8"))).toMatchObject({ quantlab: {} });
  });

  it("take a model's name as a folder's", () => {
    expect(sanitizedModelName("Qwen/Qwen2.5-0.5B-Instruct")).toBe("Qwen__Qwen2.5-0.5B-Instruct");
    expect(sanitizedModelName('a"<>b')).toBe("a__b");
  });
});
