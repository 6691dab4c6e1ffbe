/** `kill -9` of `quantlab run` while its vLLM loads and while it serves: nothing is left over, nothing is lost. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { stringify } from "yaml";
import { sessionMembers } from "../src/targets/process-session.ts";
import { loadRun } from "../src/results/store.ts";
import { buildStandIn } from "./stand-in/build.ts";
import type { Scenario } from "./stand-in/vllm.ts";

const binary = fileURLToPath(new URL("../bin/quantlab.js", import.meta.url));
const fixtures = fileURLToPath(new URL("./fixtures/vllm", import.meta.url));
const log = readFileSync(join(fixtures, "starts/0.30.0-h100-awq.log"), "utf8");
const serving: Scenario = { version: "0.30.0", log, hasEngine: true };

let folder = "";
let env: NodeJS.ProcessEnv = {};
let play: (scenario: Scenario) => string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-killed-"));
  env = { ...process.env, XDG_STATE_HOME: join(folder, "state") };
  const standIn = buildStandIn(join(folder, "program"));
  play = (scenario) => standIn.command("scenario", scenario);
  const lab = {
    model: "dummy:tiny",
    target: "vllm",
    threads: 1,
    formats: ["bf16", "fp8"],
    experiments: {
      throughput: { batchSizes: [1, 2], inputLen: 8, outputLen: 4, rounds: 1 },
    },
    repeats: 1,
    maxModelLen: 64,
    maxNumSeqs: 4,
    vllm: { command: play(serving) },
  };
  await writeFile(join(folder, "lab.yaml"), stringify(lab));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (...argv: string[]) =>
  spawn(process.execPath, [binary, "run", ...argv], { cwd: folder, env, stdio: "ignore" });

const ended = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));

async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Session of the server on record, once its engine is there too. */
const recordedSession = () =>
  eventually(() => {
    const ledger = join(folder, "state", "quantlab", "servers");
    const names = existsSync(ledger) ? readdirSync(ledger) : [];
    const name = names.find((one) => one.endsWith(".json"));
    if (name === undefined) return undefined;
    const { leader } = JSON.parse(readFileSync(join(ledger, name), "utf8"));
    return sessionMembers(leader.pid).length === 2 ? Number(leader.pid) : undefined;
  });

function runFolder(): string {
  const runs = join(folder, "runs");
  return join(runs, (existsSync(runs) ? readdirSync(runs) : [])[0] ?? "none");
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = ended(child);
  child.kill("SIGKILL");
  await gone;
}

it("ends the server that was loading, at the next start", async () => {
  play({ ...serving, isHanging: true });
  const run = start("lab.yaml");
  const session = await recordedSession();
  await kill(run);
  expect(sessionMembers(session).length).toBe(2);
  play(serving);
  expect(await ended(start("--resume", runFolder()))).toBe(0);
  expect(sessionMembers(session)).toEqual([]);
  const { results } = await loadRun(runFolder());
  expect(results.every(({ quantlab }) => quantlab.status === "done")).toBe(true);
  expect(readdirSync(join(folder, "state", "quantlab", "servers"))).toEqual([]);
}, 180_000);

it("keeps finished cells of a run that was killed while it served, and measures the rest", async () => {
  const run = start("lab.yaml");
  const session = await recordedSession();
  const first = await eventually(() => {
    const path = join(runFolder(), "cells/bf16/throughput/batch-1/0/result.json");
    return existsSync(path) ? path : undefined;
  });
  await kill(run);
  const measuredAt = statSync(first).mtimeMs;
  expect(await ended(start("--resume", runFolder()))).toBe(0);
  expect(sessionMembers(session)).toEqual([]);
  expect(statSync(first).mtimeMs).toBe(measuredAt);
  const { manifest, results } = await loadRun(runFolder());
  expect(results.length).toBe(manifest.cells.length);
  // What the log said is kept with each cell.
  expect(results[0]?.quantlab.facts).toMatchObject({
    server: "vllm",
    version: "0.30.0",
    kernel: "MarlinLinearKernel, FLASH_ATTN",
  });
}, 180_000);
