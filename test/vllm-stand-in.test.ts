/** The vLLM target against a program that behaves like vLLM: starts, facts, failures, stops, orphans. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identify, isAlive } from "../src/base/process-identity.ts";
import { sessionMembers } from "../src/targets/process-session.ts";
import { sweepStaleServers } from "../src/targets/server-ledger.ts";
import type { Target, TargetRequest } from "../src/targets/target.ts";
import { vllmTarget } from "../src/targets/vllm/index.ts";
import { buildStandIn, type StandIn } from "./stand-in/build.ts";
import type { Scenario } from "./stand-in/vllm.ts";

const fixtures = fileURLToPath(new URL("./fixtures/vllm", import.meta.url));
const logOf = (path: string) => readFileSync(join(fixtures, path), "utf8");

let folder = "";
let ledgerFolder = "";
let standIn: StandIn;
let target: Target;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-stand-in-"));
  ledgerFolder = join(folder, "ledger");
  standIn = buildStandIn(join(folder, "program"));
  target = vllmTarget({ ledgerFolder });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A request that the stand-in answers by this scenario. */
function requestOf(name: string, scenario: Scenario, changes: Partial<TargetRequest> = {}) {
  return {
    model: "dummy:tiny",
    format: "bf16",
    maxModelLen: 256,
    maxNumSeqs: 4,
    threads: undefined,
    seed: 0,
    label: "row",
    logFolder: join(folder, name),
    ...changes,
    vllm: { command: standIn.command(name, scenario), ...changes.vllm },
  } satisfies TargetRequest;
}

const never = new AbortController().signal;

async function failureOf(name: string, scenario: Scenario, changes: Partial<TargetRequest> = {}) {
  try {
    await target.start(requestOf(name, scenario, changes), () => {}, never);
  } catch (error) {
    return error;
  }
  throw new Error("it started");
}

const starts = [
  ["0.6.6-a100-bf16", "0.6.6", "Flash Attention"],
  ["0.9.2-a100-fp8", "0.9.2", "Flash Attention (FP8 weights only, no FP8 arithmetic)"],
  ["0.13.0-h100-tp2-bf16", "0.13.0", "FLASH_ATTN"],
  ["0.30.0-h100-awq", "0.30.0", "MarlinLinearKernel, FLASH_ATTN"],
] as const;

describe("starts", () => {
  it.each(starts)("%s: serves, and gives the facts of its log", async (log, version, kernel) => {
    const scenario = { version, log: logOf(`starts/${log}.log`) };
    const seen: string[] = [];
    const server = await target.start(requestOf(log, scenario), (text) => seen.push(text), never);
    const facts = await server.facts();
    expect(facts).toMatchObject({ server: "vllm", version, kernel, trained: false });
    expect(facts.weightBytes).toBeGreaterThan(4 * 2 ** 30);
    expect(facts.raw).toMatchObject({ weightSource: "the server's log" });
    expect(seen).toContain("warming up");
    const pid = server.pid ?? 0;
    await server.stop();
    expect(sessionMembers(pid)).toEqual([]);
    // The whole log stays with the run.
    expect(readdirSync(join(folder, log)).filter((name) => name.endsWith(".log")).length).toBe(1);
  });

  it("keeps flags of the version it found in the command of the facts", async () => {
    const scenario = { version: "0.9.2", log: logOf("starts/0.9.2-h100-awq-plain.log") };
    const request = requestOf("plain", scenario, {
      format: "awq",
      kernel: "plain",
      isReadyCheckpoint: true,
    });
    const server = await target.start(request, () => {}, never);
    const facts = await server.facts();
    await server.stop();
    expect(facts.kernel).toContain("awq (plain GEMM, forced)");
    const command = JSON.stringify(facts.raw.command);
    expect(command).toContain('"--quantization","awq"');
    expect(command).toContain("--disable-log-requests");
  });

  it("notes when the log names another kernel than the one asked for", async () => {
    const scenario = { version: "0.20.0", log: logOf("starts/0.30.0-h100-awq.log") };
    const request = requestOf("not-plain", scenario, {
      format: "awq",
      kernel: "plain",
      isReadyCheckpoint: true,
    });
    const server = await target.start(request, () => {}, never);
    const { raw } = await server.facts();
    await server.stop();
    expect(raw.kernelNote).toContain("the log names MarlinLinearKernel");
  });
});

const failures = [
  ["gpu-memory-held", "another process holds the GPU's memory: 11.71 of 79.19 GiB are free"],
  ["no-cache-room", "nothing is left for the KV cache"],
  ["context-too-long", "room for 57824 tokens"],
  ["gpu-out-of-memory", "ran out of memory while loading the weights"],
  ["capability-too-low", "needs a GPU of capability 10.0"],
  ["gated-no-token", "no token was given"],
  ["gated-no-permission", "no permission"],
  ["hub-offline", "the hub cannot be reached"],
  ["missing-weights", "lacks tensors"],
  ["disk-full", "a disk is full"],
  ["too-few-gpus", "spread over 4 GPUs"],
  ["architecture-unknown", "does not know the architecture"],
  ["quantization-mismatch", "the checkpoint is in awq"],
  ["engine-timeout", "gave up waiting"],
] as const;

describe("failures", () => {
  it.each(failures)("%s becomes advice with the log's tail", async (id, message) => {
    const log = logOf(`failures/${id}.log`);
    const error = await failureOf(id, { version: "0.30.0", log, exitCode: 1 });
    expect(error).toMatchObject({ code: "target-failed", failureId: id });
    expect(error).toHaveProperty("message", expect.stringContaining(message));
    expect(error).toHaveProperty("hint", expect.stringMatching(/\w{3,}/));
    expect(error).toHaveProperty("isImpossible", id === "capability-too-low");
    const lastLine = log.trimEnd().split("\n").at(-1)?.replaceAll("{model}", "row");
    expect(error).toHaveProperty("logTail", expect.stringContaining(lastLine ?? "?"));
    expect(readdirSync(ledgerFolder)).toEqual([]);
  });

  it("names an unknown flag, and ends in seconds instead of waiting", async () => {
    const log = "vllm: error: unrecognized arguments: --swap-space 4\n";
    const error = await failureOf("flag", { version: "0.30.0", log, exitCode: 2 });
    expect(error).toMatchObject({ failureId: "unknown-flag" });
  });

  it("tries another port by itself when somebody took it", async () => {
    const scenario = {
      version: "0.30.0",
      log: logOf("starts/0.30.0-h100-awq.log"),
      portTakenOnce: join(folder, "taken"),
    };
    const seen: string[] = [];
    const server = await target.start(
      requestOf("port", scenario),
      (text) => seen.push(text),
      never,
    );
    await server.stop();
    expect(seen.filter((text) => text.includes("trying again")).length).toBe(1);
  });

  it("ends a server that hangs, and says what it did last", async () => {
    const log = logOf("starts/0.30.0-h100-awq.log").split("Graph")[0] ?? "";
    const scenario = { version: "0.30.0", log, isHanging: true, hasEngine: true };
    const error = await failureOf("hang", scenario, { vllm: { startTimeoutSeconds: 1 } });
    expect(error).toHaveProperty("message", expect.stringContaining("did not answer within 1 s"));
    expect(error).toHaveProperty("message", expect.stringContaining("reserving the KV cache"));
    expect(readdirSync(ledgerFolder)).toEqual([]);
  });

  it("says why a server died while it served", async () => {
    const log = logOf("starts/0.30.0-h100-awq.log");
    // The warm-up's two requests are answered, the third ends it.
    const scenario = { version: "0.30.0", log, exitAfterRequests: 2 };
    const server = await target.start(requestOf("dies", scenario), () => {}, never);
    await fetch(`${server.baseUrl}/v1/completions`, { method: "POST", body: "{}" }).catch(() => {});
    expect(await server.died).toContain("ran out of memory while serving");
    await server.stop();
  });

  it("says how to name a vLLM that is not there", async () => {
    const request = { ...requestOf("none", { version: "1", log: "" }) };
    const missing = { ...request, vllm: { command: ["/no/such/vllm"] } };
    await expect(target.start(missing, () => {}, never)).rejects.toMatchObject({
      message: 'there is no program "/no/such/vllm"',
      hint: expect.stringContaining("--vllm-command"),
    });
  });
});

describe("what is left over", () => {
  it("ends an engine whose front process was killed", async () => {
    const log = logOf("starts/0.30.0-h100-awq.log");
    const scenario = { version: "0.30.0", log, hasEngine: true };
    const server = await target.start(requestOf("orphan", scenario), () => {}, never);
    const pid = server.pid ?? 0;
    expect(sessionMembers(pid).length).toBe(2);
    process.kill(pid, "SIGKILL");
    await server.died;
    expect(sessionMembers(pid).length).toBe(1);
    await server.stop();
    expect(sessionMembers(pid)).toEqual([]);
  });

  it("sweeps the server of a run that was killed, front and engine, and nobody else's", async () => {
    const scenario = {
      version: "0.30.0",
      log: logOf("starts/0.30.0-h100-awq.log"),
      hasEngine: true,
    };
    const own = join(folder, "killed-ledger");
    mkdirSync(own, { recursive: true });
    const leader = await startAndDie(own, scenario);
    expect(isAlive(leader)).toBe(true);
    // A server of a living run is not touched.
    const others = vllmTarget({ ledgerFolder: own });
    const swept: string[] = [];
    const living = await others.start(
      requestOf("living", scenario),
      (text) => swept.push(text),
      never,
    );
    expect(swept[0]).toMatch(/ended vllm serve for row, left over from process \d+/);
    expect(sessionMembers(leader.pid)).toEqual([]);
    expect(await sweepStaleServers(own)).toEqual([]);
    expect(sessionMembers(living.pid ?? 0).length).toBe(2);
    await living.stop();
    expect(readdirSync(own)).toEqual([]);
  });
});

/** Starts a server in another process and kills that one without warning. */
async function startAndDie(ledger: string, scenario: Scenario) {
  const request = requestOf("killed", scenario);
  const program = join(folder, "start-and-wait.mjs");
  const { writeFile } = await import("node:fs/promises");
  const dist = fileURLToPath(new URL("../dist/targets/vllm/index.js", import.meta.url));
  expect(existsSync(dist), "run through npm test, which builds dist/").toBe(true);
  await writeFile(
    program,
    `import { vllmTarget } from ${JSON.stringify(dist)};
const target = vllmTarget({ ledgerFolder: ${JSON.stringify(ledger)} });
const server = await target.start(${JSON.stringify(request)}, () => {}, new AbortController().signal);
console.log(server.pid);
setInterval(() => {}, 60_000);`,
  );
  const owner = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = await new Promise<number>((resolve) =>
    owner.stdout.once("data", (data) => resolve(Number(data))),
  );
  const leader = identify(pid);
  const gone = new Promise((resolve) => owner.once("exit", resolve));
  owner.kill("SIGKILL");
  await gone;
  return leader;
}
