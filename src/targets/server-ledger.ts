/**
 * Which servers this user's runs have started on this machine: a file for each, so that the next
 * start finds the ones whose run was killed and ends them, by pid and start time, never by name.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, renameSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { identify, isAlive, type ProcessIdentity } from "../base/process-identity.ts";
import { endProcesses, sessionMembers } from "./process-session.ts";

const identitySchema = z.object({ pid: z.number(), startTime: z.string().optional() });

const recordSchema = z.object({
  /** A shared home holds the records of several machines, and of boots before this one. */
  host: z.string(),
  bootId: z.string(),
  owner: identitySchema,
  /** Leader of the server's session. */
  leader: identitySchema,
  /** Everything that has been seen in the session. */
  members: z.array(identitySchema),
  what: z.string(),
});
type ServerRecord = z.infer<typeof recordSchema>;

/** An engine that has lost its front process answers nobody: it gets little time. */
const sweepGraceMs = 3_000;

export function defaultLedgerFolder(): string {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), ".local", "state");
  return join(state, "quantlab", "servers");
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
}

/** The record of one running server; `update` as it grows, `remove` when all of it is gone. */
export class ServerEntry {
  readonly #path: string;
  readonly #record: ServerRecord;

  constructor(folder: string, leaderPid: number, what: string) {
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, `${randomUUID()}.json`);
    this.#record = {
      host: hostname(),
      bootId: bootId(),
      owner: toRecord(identify(process.pid)),
      leader: toRecord(identify(leaderPid)),
      members: [],
      what,
    };
    this.update();
  }

  /** Everything of the session that lives, and what was there before and outlived its parent. */
  members(): ProcessIdentity[] {
    return membersOf(this.#record);
  }

  /** Writes down who belongs to it by now; cheap when nothing changed. */
  update(): void {
    const now = this.members().map(toRecord);
    const known = new Set(this.#record.members.map((member) => member.pid));
    if (this.#record.members.length > 0 && now.every((member) => known.has(member.pid))) return;
    this.#record.members = now;
    const temporary = `${this.#path}.tmp`;
    writeFileSync(temporary, JSON.stringify(this.#record));
    renameSync(temporary, this.#path);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

function toRecord({ pid, startTime }: ProcessIdentity): z.infer<typeof identitySchema> {
  return startTime === undefined ? { pid } : { pid, startTime };
}

function fromRecord({ pid, startTime }: z.infer<typeof identitySchema>): ProcessIdentity {
  return { pid, startTime };
}

/**
 * Living processes of a record. The kernel gives no new process a number that is still a session's,
 * so as long as one known member lives in it, all of the session are this server's.
 */
function membersOf(record: ServerRecord): ProcessIdentity[] {
  const known = [record.leader, ...record.members].map(fromRecord).filter(isAlive);
  if (known.length === 0) return [];
  const session = sessionMembers(record.leader.pid);
  const sameSession = session.some((member) =>
    known.some((one) => one.pid === member.pid && one.startTime === member.startTime),
  );
  const all = sameSession ? [...known, ...session] : known;
  return [...new Map(all.map((member) => [member.pid, member])).values()];
}

/** Ends servers of this machine whose owner is gone. @returns one line for each server ended */
export async function sweepStaleServers(folder: string): Promise<string[]> {
  const swept: string[] = [];
  for (const { path, record } of readRecords(folder)) {
    if (record.host !== hostname()) continue;
    if (record.bootId === bootId() && isAlive(fromRecord(record.owner))) continue;
    const left = record.bootId === bootId() ? membersOf(record) : [];
    if (left.length > 0) {
      await endProcesses({ graceMs: sweepGraceMs, members: () => membersOf(record) });
      const pids = left.map(({ pid }) => pid).join(", ");
      swept.push(`ended ${record.what}, left over from process ${record.owner.pid} (pids ${pids})`);
    }
    rmSync(path, { force: true });
  }
  return swept;
}

function readRecords(folder: string): { path: string; record: ServerRecord }[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = join(folder, name);
    try {
      return [{ path, record: recordSchema.parse(JSON.parse(readFileSync(path, "utf8"))) }];
    } catch {
      // Another run's record that went meanwhile, or a damaged one: nothing can be told from it.
      return [];
    }
  });
}
