/** `quantlab run` on the embedded engine, whole: every format, the table, the page; interrupted; resumed. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cellPath } from "../../src/results/run.ts";
import { loadRun } from "../../src/results/store.ts";
import { QuantlabProcess } from "../quantlab-process.ts";

/** The quick profile in miniature: seconds on the tiny shape. */
const lab = `
profile: quick
model: dummy:tiny
formats: [bf16, fp8, awq]
threads: 1
experiments:
  latency: { inputLen: 16, outputLen: 64, iterations: 2, warmupIterations: 1 }
  throughput: { batchSizes: [1, 4], inputLen: 16, outputLen: 8, rounds: 1, refineBatches: 0 }
  serving: { dataset: lengths, lengthScale: 0.03, numPrompts: 6, requestRates: [8, inf] }
  accuracy: { task: gsm8k, numFewshot: 1, limit: 6 }
  divergence: { tokens: 256, window: 64 }
`;

let folder = "";
let child: QuantlabProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-run-"));
  await writeFile(join(folder, "lab.yaml"), lab);
});
afterEach(async () => {
  await child?.destroy();
  await rm(folder, { recursive: true, force: true });
});

function run(...flags: string[]): QuantlabProcess {
  child = new QuantlabProcess(["run", ...flags, "--out", "runs"], folder);
  return child;
}

async function onlyRun() {
  const [name = ""] = await readdir(join(folder, "runs"));
  return loadRun(join(folder, "runs", name));
}

/** When each finished cell was run. */
async function startTimes(): Promise<Record<string, string>> {
  const { results } = await onlyRun();
  return Object.fromEntries(
    results.map(({ quantlab }) => [cellPath(quantlab.key), quantlab.startedAt]),
  );
}

const limitMs = 300_000;

test(
  "every cell of three formats, a table without an empty cell, and a page with everything in it",
  async () => {
    const process = run("lab.yaml");
    expect(await process.ended, process.stderr).toBe(0);
    const { folder: path, results, manifest } = await onlyRun();
    // Answers are those of the bundled model, with round-to-nearest beside AWQ.
    expect(results).toHaveLength(3 * 6 + 4 * 2);
    expect(manifest.machine.threads).toBe(1);
    const statuses = results.map(({ quantlab }) => `${quantlab.key.experiment} ${quantlab.status}`);
    expect(new Set(statuses)).toEqual(
      new Set([
        "latency done",
        "throughput done",
        "serving done",
        "accuracy done",
        "divergence done",
        "memory done",
      ]),
    );
    for (const format of ["bf16", "fp8", "awq"]) {
      expect(process.stdout).toMatch(new RegExp(`^${format} +\\d`, "m"));
    }
    expect(process.stdout).not.toContain("—");
    expect(process.stdout).toContain("int4-rtn");
    expect(process.stdout).toContain("exact match");
    const page = await readFile(join(path, "report.html"), "utf8");
    expect(page).not.toMatch(/<script|src="http|href="http|url\(http/);
    expect(JSON.parse(await readFile(join(path, "analysis.json"), "utf8"))).toHaveProperty(
      "findings",
    );
    const records = await readFile(
      join(path, "cells/awq/serving/rate-inf/0/records.jsonl"),
      "utf8",
    );
    expect(records.trim().split("\n")).toHaveLength(6);
  },
  limitMs,
);

test(
  "Ctrl-C in the middle ends with 5; --resume runs what is missing and nothing else",
  async () => {
    const first = run("lab.yaml");
    await first.line("stderr", / fp8\/latency\/batch-1\/0 /);
    first.kill("SIGINT");
    expect(await first.ended, first.stderr).toBe(5);
    expect(first.stderr).toContain("quantlab run --resume");
    const before = await startTimes();
    expect(Object.keys(before).length).toBeGreaterThanOrEqual(7);
    expect(Object.keys(before).length).toBeLessThan(3 * 6 + 4 * 2);

    const second = run("lab.yaml", "--resume");
    expect(await second.ended, second.stderr).toBe(0);
    const after = await startTimes();
    expect(Object.keys(after)).toHaveLength(3 * 6 + 4 * 2);
    expect(after).toMatchObject(before);

    const page = join((await onlyRun()).folder, "report.html");
    const { mtimeMs } = await stat(page);
    const third = run("--resume");
    expect(await third.ended, third.stderr).toBe(0);
    expect(third.stderr).toContain("0 of 26 cells to run");
    expect(await startTimes()).toEqual(after);
    expect((await stat(page)).mtimeMs).toBeGreaterThan(mtimeMs);
  },
  limitMs,
);
