import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type AnsweringServer, startAnsweringServer } from "../../test/fakes/answering-server.ts";
import { gsm8k } from "../../test/gsm8k-files.ts";
import { evalCommand } from "./eval.ts";

const tiny = new URL("../../test/fixtures/eval/tiny/test.jsonl", import.meta.url).pathname;

let server: AnsweringServer;
let folder = "";
let printed = "";
beforeAll(async () => {
  server = await startAnsweringServer((question) =>
    question.includes("café") ? " 15 * 8 = 120\n#### 120" : " I do not know.",
  );
});
afterAll(() => server.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-eval-"));
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function evaluate(line: string): Promise<string> {
  await evalCommand().parseAsync(["gsm8k", ...line.split(" ")], { from: "user" });
  return printed;
}

test("asks a server and prints both filters with intervals", async () => {
  const text = await evaluate(
    `--base-url ${server.baseUrl} --dataset-path ${tiny} --num-fewshot 3 --output-path ${folder} --log-samples`,
  );
  expect(text).toMatch(/^org\/answering|^server/m);
  expect(text).toContain("33.3 (6.15 to 79.2)");
  const theirs = JSON.parse(
    await readFile(new URL("results-plain.json", `file://${tiny}`), "utf8"),
  );
  // The harness asked the same of the same file.
  expect(text).toContain(`task_hashes.gsm8k ${theirs.task_hashes.gsm8k}`);
  expect((await readdir(folder)).sort()).toEqual([
    "org__answering",
    "prompts_gsm8k.jsonl",
    "responses_gsm8k_server.jsonl",
  ]);
});

test("gives one object with --json", async () => {
  const text = await evaluate(
    `--base-url ${server.baseUrl} --dataset-path ${tiny} --num-fewshot 0 --limit 2 --json`,
  );
  expect(JSON.parse(text)).toMatchObject({
    n: 2,
    numFewshot: 0,
    rows: [{ modelName: "org/answering", accuracy: { "strict-match": { value: 0.5, n: 2 } } }],
    comparisons: [],
  });
});

test.each([
  ["--dataset-path /nowhere/test.jsonl", "file-not-found", "cannot be read"],
  [`--dataset-path ${tiny} --num-fewshot 6`, "dataset-invalid", "holds 5 problems"],
  [`--dataset-path ${tiny} --log-samples`, "usage", "need a folder"],
  [
    `--dataset-path ${tiny} --num-fewshot 0 --base-url http://127.0.0.1:1 --formats bf16`,
    "usage",
    "cannot be given with --model, --formats",
  ],
])("refuses %s before anything is started", async (line, code, message) => {
  await expect(evaluate(line)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
  expect(server.requests.length).toBe(5);
});

test.skipIf(!gsm8k.present)(
  gsm8k.present ? "writes the harness's prompts without a server" : gsm8k.missing,
  async () => {
    const text = await evaluate(
      `--dataset-path ${gsm8k.test} --num-fewshot 8 --limit 5 --prompts-only --output-path ${folder}`,
    );
    expect(text).toContain("c1dd96639a775051836585ddf4a6a93bb8390c01a81c61b3d1214b5cef350d79");
    const written = await readFile(join(folder, "prompts_gsm8k.jsonl"));
    expect(written.equals(await readFile(gsm8k.harnessPrompts))).toBe(true);
  },
);
