import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LabConfig } from "../../experiments/config.ts";
import { type CellKey, cellPath, type Machine } from "../../results/run.ts";
import { cellFolder, loadRun, RunStore } from "../../results/store.ts";
import {
  attemptRunFolder,
  bestResults,
  claimAttempt,
  missingCells,
  readAttempts,
  taskFolder,
  writeStatus,
} from "./attempts.ts";
import { collect, finishedCount } from "./collect.ts";
import type { SlurmAnswer, SlurmCommand } from "./commands.ts";
import { jobScript, sbatchArguments } from "./job.ts";
import { configOf, type SlurmManifest, tasksOf, writeSlurmManifest } from "./manifest.ts";
import { parseAccounting, parseQueue, parseShownJobs, SlurmQueue } from "./queue.ts";
import { parseSlurmFile, settingsOf } from "./slurm-file.ts";
import { hopelessReason, phaseOf } from "./states.ts";
import { activeTasks, missingTasks, submit } from "./submit.ts";
import { isOver, look } from "./watch.ts";

const file = `
gpuTypes:
  h100: { partition: gpu-h100, gres: "gpu:h100:1", time: "02:00:00", maxParallel: 4 }
  a100: { partition: gpu-a100, formats: [bf16], vllm: { gpuMemoryUtilization: 0.8 } }
defaults: { account: lab, mem: 64G, cpus: 8, sbatch: ["--exclusive"] }
env: { HF_HOME: "/shared/it's here" }
setup: |
  module load cuda
`;

const config: LabConfig = {
  profile: "quick",
  model: "dummy:tiny",
  target: "vllm",
  formats: [
    { label: "bf16", format: "bf16" },
    { label: "fp8", format: "fp8" },
  ],
  experiments: { memory: {} },
  repeats: 1,
  seed: 0,
  maxModelLen: 64,
  maxNumSeqs: 4,
};

const key = (format: string, experiment = "memory"): CellKey => ({
  format,
  experiment,
  setting: "loaded",
  repeat: 0,
});

function manifestOf(): SlurmManifest {
  return {
    schemaVersion: 1,
    runId: "20261124-1",
    createdAt: "2026-11-24T00:00:00Z",
    quantlabVersion: "0",
    config,
    slurm: parseSlurmFile(file, "slurm.yaml"),
    requestHashes: {},
    tasks: [
      ...tasksOf("h100", [key("bf16"), key("bf16", "latency"), key("fp8")], "format"),
      ...tasksOf("a100", [key("bf16")], "format"),
    ],
    submissions: [],
  };
}

const ok = (stdout: string): SlurmAnswer => ({ code: 0, stdout, stderr: "" });
const refused = (stderr: string): SlurmAnswer => ({ code: 1, stdout: "", stderr });

describe("slurm.yaml", () => {
  it("fills the defaults into each GPU type", () => {
    expect(settingsOf(parseSlurmFile(file, "slurm.yaml"), "h100")).toMatchObject({
      partition: "gpu-h100",
      account: "lab",
      mem: "64G",
      time: "02:00:00",
    });
  });

  it("names every problem with its line, and what to write instead", () => {
    const wrong = (text: string) => () => parseSlurmFile(text, "s.yaml");
    expect(wrong("gpuTypes: {}")).toThrow(/s\.yaml:1: gpuTypes: name at least one GPU type/);
    expect(wrong("gpuTypes:\n  h100:\n    time: soon")).toThrow(/s\.yaml:3: .*write a time limit/);
    expect(wrong("gpuTypes:\n  h100:\n    mem: lots")).toThrow(/memory as Slurm writes it/);
    expect(wrong("gpuTypes:\n  h100: { sbatch: [--array=1] }")).toThrow(/the lab's own/);
    expect(wrong("gpuTypes:\n  h 100: {}")).toThrow(/letters, digits/);
    expect(wrong("gpuTypes:\n  h100: { partion: x }")).toThrow(/partion/);
  });

  it("gives a GPU type its own rows and its own words for vLLM", () => {
    expect(configOf(manifestOf(), "a100")).toMatchObject({
      formats: [{ label: "bf16" }],
      vllm: { gpuMemoryUtilization: 0.8 },
    });
    const slurm = parseSlurmFile("gpuTypes: { a: { formats: [int3] } }", "s");
    expect(() => configOf({ config, slurm }, "a")).toThrow(/the rows are bf16, fp8/);
  });
});

describe("jobs", () => {
  it("asks for what slurm.yaml says, in words without a shell", () => {
    const words = sbatchArguments(manifestOf(), "/runs/r", "h100", [0, 2], "ql-x");
    expect(words.join(" ")).toBe(
      "--parsable --job-name=ql-x --array=0,2%4 --output=/runs/r/logs/h100-%a-%A.log --open-mode=append --requeue --export=NONE --partition=gpu-h100 --gres=gpu:h100:1 --account=lab --time=02:00:00 --cpus-per-task=8 --mem=64G --exclusive",
    );
  });

  it("writes a script that quotes what it is given", () => {
    const script = jobScript(manifestOf(), "/runs/my run", "h100");
    expect(script).toMatch(/^#!\/bin\/bash\n/);
    expect(script).toContain("export HF_HOME='/shared/it'\\''s here'\nmodule load cuda\nexec ");
    expect(script).toContain(`slurm-task '/runs/my run' 'h100' "$SLURM_ARRAY_TASK_ID"`);
  });

  it("groups cells by format, or by format and experiment", () => {
    const cells = [key("bf16"), key("bf16", "latency"), key("fp8")];
    expect(tasksOf("h100", cells, "format").map((task) => task.cells.length)).toEqual([2, 1]);
    expect(tasksOf("h100", cells, "experiment").map((task) => task.index)).toEqual([0, 1, 2]);
  });
});

describe("Slurm's words", () => {
  it("reads squeue, scontrol and sacct", () => {
    expect(parseQueue("13|2|RUNNING|None|h100-1\n13|N/A|PENDING|Resources|\n\n")).toEqual([
      { arrayJobId: "13", index: 2, state: "RUNNING", reason: "None", nodes: "h100-1" },
    ]);
    expect(
      parseShownJobs(
        "JobId=15 ArrayJobId=13 ArrayTaskId=2 JobName=a b JobState=TIMEOUT Reason=TimeLimit NodeList=n1",
      ),
    ).toEqual([{ arrayJobId: "13", index: 2, state: "TIMEOUT", reason: "TimeLimit", nodes: "n1" }]);
    expect(parseAccounting("13_2|CANCELLED by 0|None|n1\n13_2.batch|FAILED||\n")).toEqual([
      { arrayJobId: "13", index: 2, state: "CANCELLED by 0", reason: "None", nodes: "n1" },
    ]);
  });

  it("knows states by their first word, and shows an unknown one as it is", () => {
    expect(["CANCELLED by 1000", "COMPLETING", "running+", "NODE_FAIL"].map(phaseOf)).toEqual([
      "ended",
      "ending",
      "running",
      "retry",
    ]);
    expect(phaseOf("SINGING")).toBe("unknown");
    expect(hopelessReason("QOSMaxWallDurationPerJobLimit")).toContain("lower `time`");
    expect(hopelessReason("Resources")).toBeUndefined();
  });

  it("asks scontrol and accounting for what squeue has forgotten, and accounting only once", async () => {
    const asked: string[] = [];
    const run: SlurmCommand = async (program, argv) => {
      asked.push(program);
      if (program === "squeue") return refused("slurm_load_jobs error: Invalid job id specified");
      if (program === "scontrol") return refused(`Invalid job id ${argv.at(-1)}`);
      return refused("Slurm accounting storage is disabled");
    };
    const queue = new SlurmQueue(run);
    expect(await queue.tasks(["7"])).toEqual([]);
    expect(await queue.tasks(["7"])).toEqual([]);
    expect(asked.filter((program) => program === "sacct").length).toBe(1);
  });

  it("concludes nothing when the controller is away", async () => {
    const away = refused("squeue: error: Unable to contact slurm controller (connect failure)");
    const queue = new SlurmQueue(async () => away);
    expect(await queue.tasks(["7"])).toBeUndefined();
    const manifest = { ...manifestOf(), submissions: [submission("7", [0])] };
    await expect(activeTasks(queue, manifest)).rejects.toThrow(/cannot be reached/);
  });
});

const submission = (jobId: string, indexes: number[], gpuType = "h100") => ({
  jobId,
  jobName: "ql",
  gpuType,
  indexes,
  submittedAt: "2026-11-24T00:00:00Z",
});

const machine: Machine = {
  cpuModel: "test",
  cores: 2,
  memoryBytes: 24e9,
  os: "test",
  node: process.version,
  isa: "avx512",
  features: [],
  threads: 2,
  readBandwidthBytesPerSecond: 30e9,
  bf16FlopsPerSecond: 240e9,
  label: "h100",
};

describe("what jobs write", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantlab-attempts-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** An attempt of task h100-0 that measured these cells. */
  async function attempt(results: Record<string, "done" | "failed">, weightBytes = 1) {
    const path = await claimAttempt(taskFolder(folder, "h100", 0));
    await writeStatus(path, {
      state: "finished",
      jobId: "7",
      node: "n1",
      pid: 1,
      startedAt: "2026-11-24T00:00:00Z",
      heartbeatAt: "2026-11-24T00:00:00Z",
      detail: "",
    });
    const cells = Object.keys(results).map((experiment) => key("bf16", experiment));
    const store = await RunStore.create(join(path, attemptRunFolder), {
      quantlabVersion: "0",
      createdAt: "2026-11-24T00:00:00Z",
      config: {},
      machine,
      cells,
      requestHashes: {},
      seed: 0,
    });
    for (const [experiment, status] of Object.entries(results)) {
      const cell = key("bf16", experiment);
      await store.startCell(cell);
      await writeFile(join(cellFolder(store.folder, cell), "records.jsonl"), `${weightBytes}\n`);
      await store.writeResult({
        quantlab: {
          key: cell,
          status,
          startedAt: `2026-11-24T00:00:0${weightBytes}Z`,
          durationMs: 1,
          validity: { valid: true, reasons: [] },
          figures: { weightBytes },
        },
      });
    }
    await store.close();
    return path;
  }

  it("never gives one folder to two attempts, and reads them oldest first", async () => {
    const task = taskFolder(folder, "h100", 0);
    const claimed = await Promise.all([claimAttempt(task), claimAttempt(task), claimAttempt(task)]);
    expect(new Set(claimed).size).toBe(3);
    expect((await readAttempts(task)).map(({ number }) => number)).toEqual([0, 1, 2]);
  });

  it("keeps a done cell over a later failure, and takes the newest of equals", async () => {
    await attempt({ memory: "done", latency: "failed" }, 1);
    await attempt({ memory: "failed", latency: "done" }, 2);
    await attempt({ memory: "done" }, 3);
    const attempts = await readAttempts(taskFolder(folder, "h100", 0));
    const cells = [key("bf16"), key("bf16", "latency")];
    const best = await bestResults(attempts, cells);
    const figure = (cell: CellKey) => best.get(cellPath(cell))?.result.quantlab.figures.weightBytes;
    expect(cells.map(figure)).toEqual([3, 2]);
    expect(missingCells(cells, best)).toEqual([]);
  });

  it("counts half a result for none", async () => {
    const path = await attempt({ memory: "done" });
    const half = cellFolder(join(path, attemptRunFolder), key("bf16", "latency"));
    await mkdir(half, { recursive: true });
    await writeFile(join(half, "result.json"), '{"quantlab": {"key":');
    const attempts = await readAttempts(taskFolder(folder, "h100", 0));
    const best = await bestResults(attempts, [key("bf16"), key("bf16", "latency")]);
    expect([...best.keys()]).toEqual(["bf16/memory/loaded/0"]);
  });

  it("gathers cells of all attempts into one run, and brings it up to date", async () => {
    const manifest = manifestOf();
    await attempt({ memory: "failed" }, 1);
    const [first] = await collect(folder, manifest);
    expect(first && finishedCount(first)).toBe(0);
    await attempt({ memory: "done", latency: "done" }, 2);
    const [h100, a100] = await collect(folder, manifest);
    expect(h100 && finishedCount(h100)).toBe(2);
    expect(a100?.folder).toBeUndefined();
    const run = await loadRun(h100?.folder ?? "");
    expect(run.manifest.machine.label).toBe("h100");
    expect(run.manifest.cells.length).toBe(3);
    expect(run.results.map(({ quantlab }) => quantlab.status)).toEqual(["done", "done"]);
    expect(run.results[0]?.quantlab.slurm).toMatchObject({ attempt: 1, node: "n1", jobId: "7" });
  });

  it("submits an array for each GPU type, only of what is missing, and remembers it at once", async () => {
    const manifest = manifestOf();
    await writeSlurmManifest(folder, manifest);
    await attempt({ memory: "done", latency: "done" });
    const missing = await missingTasks(folder, manifest);
    expect(missing.map(({ gpuType, index }) => `${gpuType}-${index}`)).toEqual([
      "h100-1",
      "a100-0",
    ]);
    const run: SlurmCommand = async (_, argv) =>
      argv.some((word) => word.includes("gpu-a100"))
        ? refused(
            "sbatch: error: invalid partition specified: gpu-a100\nInvalid partition name specified",
          )
        : ok("16;cluster\n");
    await expect(submit(run, folder, manifest, missing)).rejects.toMatchObject({
      message: expect.stringContaining("Slurm refused the jobs for a100"),
      hint: expect.stringContaining("sinfo"),
    });
    expect(manifest.submissions).toMatchObject([{ jobId: "16", gpuType: "h100", indexes: [1] }]);
  });

  it("finds a submission that arrived although its answer did not", async () => {
    const manifest = manifestOf();
    const run: SlurmCommand = async (program) =>
      program === "sbatch" ? refused("sbatch: error: Socket timed out on send/recv") : ok("21\n");
    const tasks = manifest.tasks.slice(0, 1);
    expect(await submit(run, folder, manifest, tasks)).toMatchObject([{ jobId: "21" }]);
  });

  it("believes files over Slurm's word, in both directions", async () => {
    await attempt({ memory: "done", latency: "done" });
    const manifest = { ...manifestOf(), submissions: [submission("16", [0, 1])] };
    const answers = ok("16|0|RUNNING|None|n1\n16|1|COMPLETED|None|n1\n");
    const view = await look(folder, manifest, new SlurmQueue(async () => answers));
    const states = view.tasks.map(({ task, state }) => `${task.gpuType}-${task.index} ${state}`);
    expect(states).toEqual(["h100-0 done", "h100-1 lost", "a100-0 lost"]);
    expect(isOver(view)).toBe(true);
  });

  it("tells a job that waits from one that will never start", async () => {
    const manifest = { ...manifestOf(), submissions: [submission("16", [0, 1])] };
    const answers = ok("16|0|PENDING|PartitionTimeLimit|\n16|1|PENDING|Priority|\n");
    const view = await look(folder, manifest, new SlurmQueue(async () => answers));
    expect(view.tasks[0]).toMatchObject({
      state: "stuck",
      detail: expect.stringMatching(/lower `time`/),
    });
    expect(view.tasks[1]).toMatchObject({ state: "queued", detail: "Priority" });
    expect(isOver(view)).toBe(false);
    const away = new SlurmQueue(async () => refused("Unable to contact slurm controller"));
    const unknown = await look(folder, manifest, away);
    expect(unknown.isSlurmKnown).toBe(false);
    expect(isOver(unknown)).toBe(false);
    expect(dirname(taskFolder(folder, "h100", 0))).toBe(join(folder, "tasks"));
  });
});
