/** Asks Slurm where jobs are: squeue first, then scontrol, then accounting where a site has it. */
import type { SlurmCommand } from "./commands.ts";
import { isUnreachable } from "./commands.ts";

export interface QueuedTask {
  readonly arrayJobId: string;
  /** Index in the array. */
  readonly index: number;
  readonly state: string;
  readonly reason: string;
  readonly nodes: string;
}

const columns = "%F|%K|%T|%r|%N";

/** One line per array task; a job that was purged is not there. */
export function parseQueue(output: string): QueuedTask[] {
  return output.split("\n").flatMap((line) => {
    const [arrayJobId, task, state, reason, nodes] = line.trim().split("|");
    const index = Number(task);
    if (!arrayJobId || state === undefined || !Number.isInteger(index)) return [];
    return [{ arrayJobId, index, state, reason: reason ?? "", nodes: nodes ?? "" }];
  });
}

/** `Key=Value` pairs by known keys: a job's name may hold spaces. */
export function parseShownJobs(output: string): QueuedTask[] {
  return output.split("\n").flatMap((line) => {
    const field = (key: string) => new RegExp(`\\b${key}=(\\S+)`).exec(line)?.[1];
    const index = Number(field("ArrayTaskId"));
    const arrayJobId = field("ArrayJobId");
    if (arrayJobId === undefined || !Number.isInteger(index)) return [];
    return [
      {
        arrayJobId,
        index,
        state: field("JobState") ?? "unknown",
        reason: field("Reason") ?? "",
        nodes: field("NodeList") ?? "",
      },
    ];
  });
}

/** "13_4|TIMEOUT|None|h100-1" of sacct. */
export function parseAccounting(output: string): QueuedTask[] {
  return output.split("\n").flatMap((line) => {
    const [id = "", state, reason, nodes] = line.trim().split("|");
    const match = /^(\d+)_(\d+)$/.exec(id);
    if (match?.[1] === undefined || state === undefined) return [];
    return [
      {
        arrayJobId: match[1],
        index: Number(match[2]),
        state,
        reason: reason ?? "",
        nodes: nodes ?? "",
      },
    ];
  });
}

/** undefined when Slurm could not be asked: then nothing is known, and nothing may be concluded. */
export class SlurmQueue {
  readonly #run: SlurmCommand;
  #hasAccounting = true;

  constructor(run: SlurmCommand) {
    this.#run = run;
  }

  async tasks(jobIds: readonly string[]): Promise<readonly QueuedTask[] | undefined> {
    if (jobIds.length === 0) return [];
    const answer = await this.#run("squeue", [
      ...["-h", "-r", "-t", "all", "-j", jobIds.join(",")],
      ...["-o", columns],
    ]);
    if (isUnreachable(answer)) return undefined;
    // "Invalid job id" means that every one of them was purged.
    const queued = answer.code === 0 ? parseQueue(answer.stdout) : [];
    const seen = new Set(queued.map((task) => task.arrayJobId));
    const gone = jobIds.filter((id) => !seen.has(id));
    return gone.length === 0 ? queued : [...queued, ...(await this.#ended(gone))];
  }

  async #ended(jobIds: readonly string[]): Promise<readonly QueuedTask[]> {
    const shown = await Promise.all(
      jobIds.map(async (id) => {
        const answer = await this.#run("scontrol", ["-o", "show", "job", id]);
        return answer.code === 0 ? parseShownJobs(answer.stdout) : [];
      }),
    );
    const known = shown.flat();
    const seen = new Set(known.map((task) => task.arrayJobId));
    const left = jobIds.filter((id) => !seen.has(id));
    return left.length === 0 ? known : [...known, ...(await this.#accounted(left))];
  }

  async #accounted(jobIds: readonly string[]): Promise<readonly QueuedTask[]> {
    if (!this.#hasAccounting) return [];
    const answer = await this.#run("sacct", [
      ...["-n", "-P", "-X", "-j", jobIds.join(",")],
      ...["-o", "JobID,State,Reason,NodeList"],
    ]).catch(() => undefined);
    if (answer === undefined || answer.code !== 0) {
      this.#hasAccounting = false;
      return [];
    }
    return parseAccounting(answer.stdout);
  }
}
