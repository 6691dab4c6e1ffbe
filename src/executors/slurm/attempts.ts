/**
 * What the jobs of a run have written: a folder for each attempt of each task, never shared between
 * attempts, since a lost node may go on writing while another one repeats its task.
 */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../results/atomic-file.ts";
import {
  type CellKey,
  type CellResult,
  cellPath,
  cellResultSchema,
  type Manifest,
} from "../../results/run.ts";
import { cellFolder, loadRun } from "../../results/store.ts";

const statusSchema = z.object({
  state: z.enum(["running", "finished", "stopped", "refused"]),
  jobId: z.string(),
  node: z.string(),
  /** On that node. */
  pid: z.number(),
  startedAt: z.string(),
  /** Rewritten while it runs. */
  heartbeatAt: z.string(),
  /** Of the cell that runs now, or why it stopped. */
  detail: z.string(),
});
export type AttemptStatus = z.infer<typeof statusSchema>;

export interface Attempt {
  readonly number: number;
  /** A run folder of its own once the job has planned. */
  readonly folder: string;
  readonly status: AttemptStatus | undefined;
}

const statusFile = "status.json";
export const attemptRunFolder = "run";

export function taskFolder(runFolder: string, gpuType: string, index: number): string {
  return join(runFolder, "tasks", `${gpuType}-${index}`);
}

/** A new attempt's folder: the lowest number that nobody has taken. */
export async function claimAttempt(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (let number = 0; ; number++) {
    const path = join(folder, `attempt-${number}`);
    try {
      // mkdir fails when it is there: of two attempts that start at once only one gets it.
      await mkdir(path);
      return path;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}

export function writeStatus(attemptFolder: string, status: AttemptStatus): Promise<void> {
  return writeFileAtomic(join(attemptFolder, statusFile), JSON.stringify(status));
}

/** Oldest first. */
export async function readAttempts(folder: string): Promise<Attempt[]> {
  const names = await readdir(folder).catch(() => []);
  const numbers = names.flatMap((name) => {
    const number = /^attempt-(\d+)$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
  return Promise.all(
    numbers
      .sort((a, b) => a - b)
      .map(async (number) => {
        const path = join(folder, `attempt-${number}`);
        const text = await readFile(join(path, statusFile), "utf8").catch(() => undefined);
        return { number, folder: path, status: text === undefined ? undefined : parse(text) };
      }),
  );
}

function parse(text: string): AttemptStatus | undefined {
  try {
    return statusSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A cell's result with where it lies. */
export interface FoundCell {
  readonly result: CellResult;
  /** The cell's folder, raw records included. */
  readonly folder: string;
  readonly attempt: Attempt;
}

/** done beats skipped beats failed; among equals the newest attempt's counts. */
const rank = { done: 2, skipped: 1, failed: 0 } as const;

/** The best result of each cell over all attempts, by cellPath. */
export async function bestResults(
  attempts: readonly Attempt[],
  cells: readonly CellKey[],
): Promise<ReadonlyMap<string, FoundCell>> {
  const best = new Map<string, FoundCell>();
  for (const attempt of attempts) {
    for (const cell of cells) {
      const found = await readCell(attempt, cell);
      if (found === undefined) continue;
      const known = best.get(cellPath(cell));
      const isBetter =
        known === undefined ||
        rank[found.result.quantlab.status] >= rank[known.result.quantlab.status];
      if (isBetter) best.set(cellPath(cell), found);
    }
  }
  return best;
}

async function readCell(attempt: Attempt, cell: CellKey): Promise<FoundCell | undefined> {
  const folder = cellFolder(join(attempt.folder, attemptRunFolder), cell);
  try {
    const text = await readFile(join(folder, "result.json"), "utf8");
    return { result: cellResultSchema.parse(JSON.parse(text)), folder, attempt };
  } catch {
    // Not there yet, or half of a dying node's: the cell is missing.
    return undefined;
  }
}

/** The manifest that an attempt's job wrote, with the machine it ran on. */
export async function attemptManifest(attempt: Attempt): Promise<Manifest | undefined> {
  try {
    return (await loadRun(join(attempt.folder, attemptRunFolder))).manifest;
  } catch {
    return undefined;
  }
}

/** Cells without a result that counts: what an attempt has to run. */
export function missingCells(
  cells: readonly CellKey[],
  best: ReadonlyMap<string, FoundCell>,
): CellKey[] {
  return cells.filter((cell) => {
    const status = best.get(cellPath(cell))?.result.quantlab.status;
    return status === undefined || status === "failed";
  });
}
