/** Which process a pid means: process ids are used again, so a start time is kept beside each. */
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot; undefined where the system does not say (not Linux). */
  readonly startTime: string | undefined;
}

/** Clock ticks since boot at which a process started; undefined when it is gone or not on Linux. */
export function startTimeOf(pid: number): string | undefined {
  return statFields(pid)?.[19];
}

/**
 * /proc/PID/stat after the command's closing bracket, as the command may hold spaces and brackets:
 * [0] is the state, [1] the parent, [2] the process group, [3] the session, [19] the start time.
 */
export function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

export function identify(pid: number): ProcessIdentity {
  return { pid, startTime: startTimeOf(pid) };
}

/** Whether that very process lives; a zombie counts as gone, since nothing of it runs. */
export function isAlive(process_: ProcessIdentity): boolean {
  try {
    process.kill(process_.pid, 0);
  } catch (error) {
    // EPERM means that it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const fields = statFields(process_.pid);
  if (fields === undefined) return process_.startTime === undefined;
  if (fields[0] === "Z" || fields[0] === "X") return false;
  return process_.startTime === undefined || process_.startTime === fields[19];
}
