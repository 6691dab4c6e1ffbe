/** kill -9 of the server under a serving cell: the cell fails with the reason, the run goes on, exit 4. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cellPath } from "../../src/results/run.ts";
import { loadRun } from "../../src/results/store.ts";
import { QuantlabProcess } from "../quantlab-process.ts";

/** The middle cell lasts about ten seconds whatever the machine's speed: requests come at their rate. */
const lab = `
profile: quick
model: dummy:tiny
formats: [bf16]
threads: 1
experiments:
  latency: { inputLen: 16, outputLen: 8, iterations: 2, warmupIterations: 1 }
  serving: { dataset: lengths, lengthScale: 0.03, numPrompts: 20, requestRates: [2, inf] }
`;

let folder = "";
let child: QuantlabProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-killed-"));
  await writeFile(join(folder, "lab.yaml"), lab);
});
afterEach(async () => {
  await child?.destroy();
  await rm(folder, { recursive: true, force: true });
});

test("kill -9 of the server child during a serving cell", async () => {
  const run = new QuantlabProcess(["run", "lab.yaml", "--out", "runs"], folder);
  child = run;
  const [, pid] = await run.line("stderr", /server ready, pid (\d+)/);
  const [name = ""] = await readdir(join(folder, "runs"));
  const path = join(folder, "runs", name);
  const records = join(path, "cells/bf16/serving/rate-2/0/records.jsonl");
  await expect
    .poll(() => readFile(records, "utf8").catch(() => ""), { timeout: 120_000, interval: 20 })
    .toContain("\n");
  process.kill(Number(pid), "SIGKILL");
  expect(await run.ended, run.stderr).toBe(4);

  const { results } = await loadRun(path);
  const byPath = Object.fromEntries(
    results.map(({ quantlab }) => [cellPath(quantlab.key), quantlab]),
  );
  expect(byPath["bf16/latency/batch-1/0"]).toMatchObject({ status: "done" });
  expect(byPath["bf16/serving/rate-2/0"]).toMatchObject({
    status: "failed",
    reason: "the server was killed by SIGKILL",
  });
  expect(byPath["bf16/serving/rate-inf/0"]).toMatchObject({ status: "done" });
  expect(byPath["bf16/memory/loaded/0"]).toMatchObject({ status: "done" });
  expect(run.stderr).toContain("bf16/serving/rate-2/0: the server was killed by SIGKILL");
  // What had been measured before is kept, and the table and the page are made all the same.
  expect(await readFile(records, "utf8")).toContain("\n");
  expect(run.stdout).toContain("report.html");
}, 300_000);
