/** What else the machine did while something was measured: other processes, stolen and throttled time. */
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

/** Counters since boot, of all cores together. */
export interface MachineCounters {
  readonly totalMs: number;
  readonly idleMs: number;
  /** Time that the hypervisor gave to others. */
  readonly stealMs: number;
  /** Time for which this control group was held back by its quota. */
  readonly throttledMs: number;
}

export interface MachineActivity {
  readonly cores: number;
  /** Share of all cores' time that was not idle, 0 to 1. */
  readonly busyShare: number;
  readonly stealShare: number;
  readonly throttledMs: number;
  /** Over the last minute, as the kernel says it. */
  readonly loadAverage: number;
}

/** undefined where the system does not say (everywhere but on Linux). */
export function readMachineCounters(): MachineCounters | undefined {
  if (process.platform !== "linux") return undefined;
  const first = readText("/proc/stat").split("\n", 1)[0] ?? "";
  const ticks = first.split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle = 0, ioWait = 0, , , steal = 0] = ticks;
  const toMs = 10; // USER_HZ is 100 on every Linux that Node runs on.
  return {
    totalMs: ticks.reduce((sum, each) => sum + each, 0) * toMs,
    idleMs: (idle + ioWait) * toMs,
    stealMs: steal * toMs,
    throttledMs: throttledMs(readText("/sys/fs/cgroup/cpu.stat")),
  };
}

/** What happened between two readings; undefined where there are none. */
export function activityBetween(
  before: MachineCounters | undefined,
  after: MachineCounters | undefined,
): MachineActivity | undefined {
  if (before === undefined || after === undefined) return undefined;
  const totalMs = after.totalMs - before.totalMs;
  const share = (ms: number) => (totalMs > 0 ? ms / totalMs : 0);
  return {
    cores: cpus().length,
    busyShare: share(totalMs - (after.idleMs - before.idleMs)),
    stealShare: share(after.stealMs - before.stealMs),
    throttledMs: after.throttledMs - before.throttledMs,
    loadAverage: loadavg()[0] ?? 0,
  };
}

function throttledMs(cpuStat: string): number {
  return Number(/^throttled_usec (\d+)$/m.exec(cpuStat)?.[1] ?? 0) / 1e3;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
