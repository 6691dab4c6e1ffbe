/**
 * `run --on slurm` on a real Slurm cluster started here: four GPU types by three formats, a node
 * killed in mid-run, a job over its time limit, resume, cancel, one report over all.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AttemptStatus, readAttempts } from "../../src/executors/slurm/attempts.ts";
import { readSlurmManifest } from "../../src/executors/slurm/manifest.ts";
import { statFields } from "../../src/base/process-identity.ts";
import { loadRun } from "../../src/results/store.ts";

const run = promisify(execFile);
const cluster = fileURLToPath(new URL("./cluster.sh", import.meta.url));
const binary = fileURLToPath(new URL("../../bin/quantlab.js", import.meta.url));
const gpuTypes = ["h100", "h200", "a100", "l40s"];
const path = `${process.env.PATH}:/usr/sbin:/sbin`;

function missingProgram(): string | undefined {
  return ["slurmctld", "slurmd", "sbatch", "munged"].find((name) => {
    try {
      execFileSync("sh", ["-c", `command -v ${name}`], { env: { ...process.env, PATH: path } });
      return false;
    } catch {
      return true;
    }
  });
}
const missing = missingProgram();
const title =
  missing === undefined
    ? "a real Slurm cluster"
    : `a real Slurm cluster (skipped: ${missing} is not installed; Debian: slurmctld slurmd slurm-client munge)`;

let folder = "";
let env: NodeJS.ProcessEnv = {};

/** A run of the command line, to its end. */
function quantlab(
  ...argv: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [binary, ...argv], { cwd: folder, env });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

const slurm = async (program: string, ...argv: string[]) =>
  (await run(program, argv, { env })).stdout.trim();

/** Polls until there is something; the test's own limit ends it otherwise. */
async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const lab = `
model: dummy:tiny
threads: 1
formats: [bf16, fp8, awq]
experiments:
  throughput: { batchSizes: [1], inputLen: 8, outputLen: 4, rounds: 1 }
maxModelLen: 64
maxNumSeqs: 4
repeats: 1
`;

const slurmYaml = (setup: string, types = gpuTypes) => `
gpuTypes:
${types.map((type) => `  ${type}: { partition: ${type}, gres: "gpu:${type}:1", maxParallel: 2 }`).join("\n")}
defaults: { time: "00:05:00", cpus: 1 }
setup: |
  ${setup}
`;

/** The last task of l40s sleeps past every limit before it measures. */
const sleeper =
  'if [ "$SLURM_JOB_PARTITION-$SLURM_ARRAY_TASK_ID" = l40s-2 ]; then exec sleep 600; fi';

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), "quantlab-slurm-"));
  // munge wants every folder above its socket to be open to all.
  await chmod(folder, 0o711);
  const conf = join(folder, "cluster", "etc", "slurm.conf");
  env = {
    ...process.env,
    PATH: path,
    SLURM_CONF: conf,
    // A block of ports of its own: two clusters may stand on one host.
    QL_PORT: String(20_000 + (process.pid % 2_000) * 16),
  };
  await run(cluster, ["up", join(folder, "cluster")], { env });
  await writeFile(join(folder, "lab.yaml"), lab);
  await writeFile(join(folder, "slurm.yaml"), slurmYaml(sleeper));
  await writeFile(join(folder, "mended.yaml"), slurmYaml("true"));
}, 60_000);

afterAll(async () => {
  if (folder === "") return;
  await run("scancel", ["-u", String(process.getuid?.() ?? 0)], { env }).catch(() => {});
  await run(cluster, ["down", join(folder, "cluster")], { env });
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const onSlurm = ["run", "lab.yaml", "--on", "slurm", "--slurm", "slurm.yaml"];

/** The run folder in `out`, once it is there. */
function runFolderIn(out: string): Promise<string> {
  return eventually(async () => {
    const parent = join(folder, out);
    const name = existsSync(parent) ? readdirSync(parent)[0] : undefined;
    return name !== undefined && existsSync(join(parent, name, "slurm.json"))
      ? join(parent, name)
      : undefined;
  });
}

/** Attempts on the node, once one runs there. */
function attemptsOn(runFolder: string, node: string): Promise<AttemptStatus[]> {
  return eventually(async () => {
    const folders = [0, 1, 2].map((index) => join(runFolder, "tasks", `h100-${index}`));
    const attempts = (await Promise.all(folders.map(readAttempts))).flat();
    const running = attempts.flatMap(({ status }) =>
      status?.node === node && status.state === "running" ? [status] : [],
    );
    return running.length === 0 ? undefined : running;
  });
}

/** As if its power had gone: its daemon, the jobs' shepherds and the jobs end without a word. */
async function killNode(runFolder: string, node: string): Promise<void> {
  const attempts = await attemptsOn(runFolder, node);
  const daemon = Number(readFileSync(join(folder, "cluster", "run", `slurmd-${node}.pid`), "utf8"));
  const shepherds = attempts.map(({ pid }) => Number(statFields(pid)?.[1]));
  for (const pid of [daemon, ...shepherds, ...attempts.map(({ pid }) => pid)]) {
    process.kill(pid, "SIGKILL");
  }
  await slurm("scontrol", "update", `nodename=${node}`, "state=down", "reason=test");
}

/** Lets Slurm find the job over its limit, at its next look, instead of in minutes. */
async function endTimeLimit(runFolder: string): Promise<void> {
  const task = await eventually(async () => {
    const { submissions } = await readSlurmManifest(runFolder);
    const jobId = submissions.find(({ gpuType }) => gpuType === "l40s")?.jobId;
    if (jobId === undefined) return undefined;
    const running = await slurm("squeue", "-h", "-r", "-t", "R", "-j", jobId, "-o", "%K");
    return /^2$/m.test(running) ? `${jobId}_2` : undefined;
  });
  await slurm("scontrol", "update", `jobid=${task}`, "EndTime=now");
}

describe.skipIf(missing !== undefined)(title, () => {
  it("runs a 4 x 3 matrix through a lost node and a time limit, and resumes what is missing", async () => {
    const first = quantlab(...onSlurm, "--watch", "--out", "runs");
    const runFolder = await runFolderIn("runs");
    await Promise.all([killNode(runFolder, "h100-1"), endTimeLimit(runFolder)]);
    const { code, stderr } = await first;
    // The lost node's tasks went on elsewhere by themselves; the one over its limit is reported.
    expect(stderr).toMatch(/l40s-2 awq: lost \(TIMEOUT\), 0\/2 cells; .*ran over its time limit/);
    expect(stderr).toContain("cells are missing: l40s: 4 of 6");
    expect(code).toBe(4);
    const h100 = await Promise.all(
      [0, 1, 2].map((index) => readAttempts(join(runFolder, "tasks", `h100-${index}`))),
    );
    expect(h100.flat().some(({ status }) => status?.node === "h100-2")).toBe(true);
    expect(Math.max(...h100.map((attempts) => attempts.length))).toBeGreaterThan(1);

    const second = await quantlab(
      "run",
      "--resume",
      runFolder,
      "--slurm",
      "mended.yaml",
      "--watch",
    );
    expect(second.stderr).toContain("for 1 tasks");
    expect(second.code).toBe(0);
    for (const type of gpuTypes) {
      const { manifest, results } = await loadRun(join(runFolder, type));
      expect(manifest.machine.label).toBe(type);
      const rows = results.filter(({ quantlab: { key } }) => key.experiment === "throughput");
      expect(rows.map(({ quantlab: { key, status } }) => `${key.format} ${status}`)).toEqual([
        "bf16 done",
        "fp8 done",
        "awq done",
      ]);
    }
    const page = readFileSync(join(runFolder, "report.html"), "utf8");
    for (const type of gpuTypes) expect(page).toContain(`${type}: dummy:tiny`);
  }, 300_000);

  it("cancels a run, and does not take Slurm's word for a result", async () => {
    await writeFile(join(folder, "slurm.yaml"), slurmYaml("exec true", ["h200"]));
    const { code, stderr } = await quantlab(...onSlurm, "--watch", "--out", "empty");
    // Every job is COMPLETED, and not one cell was measured.
    expect(stderr).toMatch(/h200-0 bf16: lost \((COMPLETED|gone)\), 0\/2 cells/);
    expect(code).toBe(4);
    await writeFile(join(folder, "slurm.yaml"), slurmYaml("exec sleep 600", ["h200", "a100"]));
    const submitted = await quantlab(...onSlurm, "--out", "cancelled");
    expect(submitted.code).toBe(0);
    const runFolder = await runFolderIn("cancelled");
    expect((await quantlab("run", "--cancel", runFolder)).code).toBe(0);
    const { submissions } = await readSlurmManifest(runFolder);
    const ids = submissions.map(({ jobId }) => jobId).join(",");
    await eventually(async () =>
      (await slurm("squeue", "-h", "-j", ids, "-o", "%T")) === "" ? true : undefined,
    );
  }, 240_000);
});
