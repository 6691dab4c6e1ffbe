/**
 * The processes of one session: a server started as its own session leader, with everything it
 * started, whatever those call themselves and whoever their parent is by now.
 */
import { readdirSync, readFileSync } from "node:fs";
import { type Clock, systemClock } from "../base/clock.ts";
import { isAlive, type ProcessIdentity, statFields } from "../base/process-identity.ts";

/** Between two looks at what is left. */
const pollMs = 50;

/** Living members; zombies are gone. Empty where there is no /proc. */
export function sessionMembers(session: number): ProcessIdentity[] {
  return processIds().flatMap((pid) => {
    const fields = statFields(pid);
    if (fields === undefined || fields[3] !== String(session)) return [];
    if (fields[0] === "Z" || fields[0] === "X") return [];
    return [{ pid, startTime: fields[19] }];
  });
}

function processIds(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

export interface EndOptions {
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly clock?: Clock | undefined;
  /** Looks for what is left; asked again and again, since members start members. */
  readonly members: () => readonly ProcessIdentity[];
}

/** SIGTERM, a grace, SIGKILL; resolves when nobody is left. @returns whether SIGKILL was needed */
export async function endProcesses(options: EndOptions): Promise<boolean> {
  const { graceMs, members, clock = systemClock } = options;
  signalAll(members(), "SIGTERM");
  if (await goneWithin(graceMs, members, clock)) return false;
  for (;;) {
    signalAll(members(), "SIGKILL");
    if (await goneWithin(1_000, members, clock)) return true;
  }
}

async function goneWithin(
  limitMs: number,
  members: () => readonly ProcessIdentity[],
  clock: Clock,
): Promise<boolean> {
  const deadlineMs = clock.nowMs() + limitMs;
  while (members().length > 0) {
    if (clock.nowMs() >= deadlineMs) return false;
    await clock.sleepUntil(clock.nowMs() + pollMs);
  }
  return true;
}

function signalAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const member of processes) {
    if (!isAlive(member)) continue;
    try {
      process.kill(member.pid, signal);
    } catch {
      // Gone between the look and the signal.
    }
  }
}

/** Most that each of them has ever had resident, added up; undefined where /proc does not say. */
export function peakResidentBytes(processes: readonly ProcessIdentity[]): number | undefined {
  const peaks = processes.flatMap(({ pid }) => {
    try {
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(
        readFileSync(`/proc/${pid}/status`, "utf8"),
      )?.[1];
      return kilobytes === undefined ? [] : [Number(kilobytes) * 1024];
    } catch {
      return [];
    }
  });
  return peaks.length === 0 ? undefined : peaks.reduce((sum, bytes) => sum + bytes, 0);
}

/** Resident bytes of all of them, shared pages counted once per process. */
export function residentBytes(processes: readonly ProcessIdentity[]): number | undefined {
  const pages = processes.flatMap(({ pid }) => {
    const field = statFields(pid)?.[21];
    return field === undefined ? [] : [Number(field)];
  });
  if (pages.length === 0) return undefined;
  return pages.reduce((sum, count) => sum + count, 0) * pageBytes;
}

/** Of every Linux that Node supports on x86-64 and, by default, on arm64. */
const pageBytes = 4096;
