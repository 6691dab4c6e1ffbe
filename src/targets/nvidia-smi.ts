/** What nvidia-smi says: which GPUs are here, and samples of memory, power and clocks while a cell runs. */
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);
const mib = 2 ** 20;
const askTimeoutMs = 10_000;
const samplePeriodMs = 500;

export interface Gpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly driver: string;
  /** "9.0"; undefined where the driver is too old to say. */
  readonly capability: string | undefined;
  readonly memoryBytes: number | undefined;
  readonly usedBytes: number | undefined;
  readonly powerLimitWatts: number | undefined;
}

export interface GpuSample {
  /** When we got it, wall clock. */
  readonly wallMs: number;
  readonly uuid: string;
  readonly usedBytes: number | undefined;
  readonly watts: number | undefined;
  readonly utilizationPercent: number | undefined;
  readonly celsius: number | undefined;
  readonly smMhz: number | undefined;
}

const csv = "--format=csv,noheader,nounits";
const gpuFields = "index,uuid,name,driver_version,compute_cap,memory.total,memory.used,power.limit";
const sampleFields =
  "uuid,memory.used,power.draw,utilization.gpu,temperature.gpu,clocks.current.sm";

/** "[N/A]", "[Not Supported]" and cut lines are no numbers. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function mebibytes(text: string | undefined): number | undefined {
  const value = numberOf(text);
  return value === undefined ? undefined : value * mib;
}

const cellsOf = (line: string) => line.split(",").map((cell) => cell.trim());

export function parseGpus(output: string): Gpu[] {
  return output.split("\n").flatMap((line) => {
    const [index, uuid, name, driver, capability, total, used, limit] = cellsOf(line);
    if (numberOf(index) === undefined || uuid === undefined || name === undefined) return [];
    return [
      {
        index: Number(index),
        uuid,
        name,
        driver: driver ?? "unknown",
        capability: numberOf(capability) === undefined ? undefined : capability,
        memoryBytes: mebibytes(total),
        usedBytes: mebibytes(used),
        powerLimitWatts: numberOf(limit),
      },
    ];
  });
}

export function parseSample(line: string, wallMs: number): GpuSample | undefined {
  const [uuid, used, watts, utilization, celsius, mhz] = cellsOf(line);
  // The last line may be cut when the sampler is killed: it lacks its last field.
  if (uuid === undefined || !uuid.startsWith("GPU-") || mhz === undefined) return undefined;
  return {
    wallMs,
    uuid,
    usedBytes: mebibytes(used),
    watts: numberOf(watts),
    utilizationPercent: numberOf(utilization),
    celsius: numberOf(celsius),
    smMhz: numberOf(mhz),
  };
}

/** GPUs that this process may use, by CUDA_VISIBLE_DEVICES; undefined where nvidia-smi is not there. */
export async function readGpus(
  visible: string | undefined = process.env.CUDA_VISIBLE_DEVICES,
): Promise<readonly Gpu[] | undefined> {
  try {
    const { stdout } = await run("nvidia-smi", [`--query-gpu=${gpuFields}`, csv], {
      timeout: askTimeoutMs,
    });
    return visibleGpus(parseGpus(stdout), visible);
  } catch {
    return undefined;
  }
}

/**
 * In a job with cgroups nvidia-smi shows the job's GPUs only, while CUDA_VISIBLE_DEVICES counts
 * either them or the node's: where every index is there, the indexes hold.
 */
export function visibleGpus(gpus: readonly Gpu[], visible: string | undefined): readonly Gpu[] {
  if (visible === undefined || visible.trim() === "") return gpus;
  const wanted = visible.split(",").map((word) => word.trim());
  const chosen = gpus.filter((gpu) =>
    wanted.some((word) => word === String(gpu.index) || gpu.uuid.startsWith(word)),
  );
  return chosen.length === wanted.length ? chosen : gpus;
}

/** Samples every half second until stopped; what it saw is kept. */
export class GpuSampler {
  readonly samples: GpuSample[] = [];
  readonly #stopProcess: () => Promise<void>;

  constructor(gpus: readonly Gpu[], now: () => number = Date.now) {
    const child = spawn(
      "nvidia-smi",
      [`--query-gpu=${sampleFields}`, csv, "-lms", String(samplePeriodMs)],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    const uuids = new Set(gpus.map((gpu) => gpu.uuid));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const sample = parseSample(line, now());
      if (sample !== undefined && uuids.has(sample.uuid)) this.samples.push(sample);
    });
    const gone = new Promise<void>((resolve) => {
      child.once("error", () => resolve());
      child.once("close", () => resolve());
    });
    this.#stopProcess = async () => {
      child.kill("SIGTERM");
      await gone;
    };
  }

  /** Waits for one sample more, so that the window has one past its end. */
  async stop(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, samplePeriodMs + 100));
    await this.#stopProcess();
  }
}
