/** Gathers what jobs wrote into one ordinary run folder for each GPU type: files only, no job's word. */
import { cp, mkdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { type CellKey, cellPath, type Manifest, manifestSchema } from "../../results/run.ts";
import { cellFolder, RunStore } from "../../results/store.ts";
import {
  attemptManifest,
  bestResults,
  type FoundCell,
  readAttempts,
  taskFolder,
} from "./attempts.ts";
import { configOf, type SlurmManifest } from "./manifest.ts";

export interface Collected {
  readonly gpuType: string;
  /** The run folder, once there is anything in it. */
  readonly folder: string | undefined;
  readonly cells: readonly CellKey[];
  readonly found: ReadonlyMap<string, FoundCell>;
}

/** Where a GPU type's results are gathered. */
export function collectedFolder(runFolder: string, gpuType: string): string {
  return join(runFolder, gpuType);
}

/** Looks at every attempt of every task and copies what is new. */
export async function collect(runFolder: string, manifest: SlurmManifest): Promise<Collected[]> {
  const gpuTypes = [...new Set(manifest.tasks.map((task) => task.gpuType))];
  const collected: Collected[] = [];
  for (const gpuType of gpuTypes) collected.push(await collectType(runFolder, manifest, gpuType));
  return collected;
}

async function collectType(
  runFolder: string,
  manifest: SlurmManifest,
  gpuType: string,
): Promise<Collected> {
  const tasks = manifest.tasks.filter((task) => task.gpuType === gpuType);
  const cells = tasks.flatMap((task) => task.cells);
  const found = new Map<string, FoundCell>();
  let origin: Manifest | undefined;
  for (const task of tasks) {
    const attempts = await readAttempts(taskFolder(runFolder, gpuType, task.index));
    for (const [path, cell] of await bestResults(attempts, task.cells)) found.set(path, cell);
    for (const attempt of attempts) origin ??= await attemptManifest(attempt);
  }
  if (origin === undefined) return { gpuType, folder: undefined, cells, found };
  const folder = collectedFolder(runFolder, gpuType);
  const store = await openCollected(folder, manifest, gpuType, cells, origin);
  try {
    for (const cell of found.values()) await copyCell(store, cell);
  } finally {
    await store.close();
  }
  return { gpuType, folder, cells, found };
}

/** Machine and model are those that the first job found on its node. */
async function openCollected(
  folder: string,
  manifest: SlurmManifest,
  gpuType: string,
  cells: readonly CellKey[],
  origin: Manifest,
): Promise<RunStore> {
  const isThere = await readFile(join(folder, "manifest.json"), "utf8").catch(() => undefined);
  if (isThere !== undefined && manifestSchema.safeParse(JSON.parse(isThere)).success) {
    return RunStore.open(folder);
  }
  const { schemaVersion: _, configHash: __, ...rest } = origin;
  return RunStore.create(folder, {
    ...rest,
    createdAt: manifest.createdAt,
    config: JSON.parse(JSON.stringify(configOf(manifest, gpuType))),
    cells: [...cells],
    requestHashes: manifest.requestHashes,
  });
}

/** The folder appears whole or not at all; a better result replaces an earlier one. */
async function copyCell(store: RunStore, { result, folder, attempt }: FoundCell): Promise<void> {
  const target = cellFolder(store.folder, result.quantlab.key);
  const source = { attempt: attempt.number, ...attempt.status };
  const known = await readFile(join(target, "result.json"), "utf8").catch(() => undefined);
  const marked = { ...result, quantlab: { ...result.quantlab, slurm: source } };
  if (known !== undefined && isSameAttempt(known, attempt.number, result.quantlab.startedAt))
    return;
  const temporary = `${target}.${systemClock.wallMs()}.tmp`;
  await mkdir(dirname(target), { recursive: true });
  await cp(folder, temporary, { recursive: true });
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
  await store.writeResult(marked);
}

function isSameAttempt(text: string, attempt: number, startedAt: string): boolean {
  const known = JSON.parse(text);
  const { slurm, startedAt: knownStart } = known?.quantlab ?? {};
  return slurm?.attempt === attempt && knownStart === startedAt;
}

/** "h100: 3 of 3": cells with a result that counts. */
export function finishedCount({ cells, found }: Collected): number {
  return cells.filter((cell) => {
    const status = found.get(cellPath(cell))?.result.quantlab.status;
    return status === "done" || status === "skipped";
  }).length;
}
