/** Resident memory of this process, now and at its peak: what a format really costs. */
import { readFileSync } from "node:fs";
import { memoryUsage, resourceUsage } from "node:process";

export interface ResidentMemory {
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

/** The kernel's own figures on Linux; elsewhere those of getrusage, whose maxRSS is in kilobytes. */
export function residentMemory(): ResidentMemory {
  if (process.platform === "linux") {
    const status = readFileSync("/proc/self/status", "utf8");
    const peak = parseStatus(status, "VmHWM");
    const now = parseStatus(status, "VmRSS");
    if (peak !== undefined && now !== undefined) {
      return { residentBytes: now, peakResidentBytes: peak };
    }
  }
  return { residentBytes: memoryUsage.rss(), peakResidentBytes: resourceUsage().maxRSS * 1024 };
}

/** One line of /proc/self/status in bytes, for example "VmHWM:   123 kB". */
export function parseStatus(status: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status);
  return match?.[1] === undefined ? undefined : Number(match[1]) * 1024;
}
