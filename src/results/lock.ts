/** A run folder's lock: one process at a time writes it; the lock of a dead process does not count. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";

interface Owner {
  readonly pid: number;
  /** Tells a process from a later one with the same id; undefined where the system does not say. */
  readonly startTime: string | undefined;
}

/** Clock ticks since boot at which a process started; undefined when it is gone or not on Linux. */
function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22; fields are counted after the command's closing bracket, as the command may hold spaces.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function alive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM means that it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return owner.startTime === undefined || owner.startTime === startTimeOf(owner.pid);
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof owner !== "object" || owner === null || !("pid" in owner)) return undefined;
    const startTime = "startTime" in owner ? owner.startTime : undefined;
    if (typeof owner.pid !== "number") return undefined;
    return { pid: owner.pid, startTime: typeof startTime === "string" ? startTime : undefined };
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock of a folder and returns the function that gives it back.
 * @throws run-invalid while another living process holds it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock.json");
  const mine = `${path}.${randomUUID()}`;
  const owner: Owner = { pid: process.pid, startTime: startTimeOf(process.pid) };
  await writeFile(mine, JSON.stringify(owner));
  try {
    await claim(mine, path);
  } finally {
    await rm(mine, { force: true });
  }
  let held = true;
  return async () => {
    // A second call must not remove the lock of whoever came next.
    if (!held) return;
    held = false;
    await rm(path, { force: true });
  };
}

async function claim(mine: string, path: string): Promise<void> {
  for (;;) {
    try {
      // link, unlike rename, fails when the target exists: only one claimant wins.
      await link(mine, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readOwner(path);
    if (holder !== undefined && alive(holder)) {
      throw new QuantlabError("run-invalid", `process ${holder.pid} is writing this run`, {
        hint: `wait for it, or stop it (kill -INT ${holder.pid}); then resume`,
      });
    }
    await removeStale(path);
  }
}

/** Moves a dead owner's lock aside; a living one that came meanwhile is put back. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readOwner(aside);
  if (moved !== undefined && alive(moved)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
