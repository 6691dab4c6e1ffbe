/** A run folder's lock: one process at a time writes it; the lock of a dead process does not count. */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "../base/process-identity.ts";

async function readOwner(path: string): Promise<ProcessIdentity | undefined> {
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
  await writeFile(mine, JSON.stringify(identify(process.pid)));
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
    if (holder !== undefined && isAlive(holder)) {
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
  if (moved !== undefined && isAlive(moved)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
