/** A run's folder: created once, filled cell by cell by one process, readable at any moment. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { hashOf } from "./canonical-json.ts";
import { readLoads } from "./loads.ts";
import { lockFolder } from "./lock.ts";
import {
  type CellKey,
  type CellResult,
  cellPath,
  cellResultSchema,
  type Manifest,
  manifestSchema,
  type Run,
  runSchemaVersion,
} from "./run.ts";

/** Name of the raw records in a cell's folder. */
export const recordsFile = "records.jsonl";

/** Labels become folder names: nothing that a path could mean something else by. */
const safeName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Where a cell's raw records and result are. @throws config-invalid on a name that is no folder name */
export function cellFolder(folder: string, key: CellKey): string {
  for (const name of [key.format, key.experiment, key.setting]) {
    if (safeName.test(name)) continue;
    throw new QuantlabError("config-invalid", `"${name}" cannot name a cell of a run`, {
      hint: "labels are letters, digits, dots, dashes and underscores, and start with a letter or digit",
    });
  }
  return join(folder, "cells", cellPath(key));
}

/** Writes one run. Make it with `create` or `open`; `close` gives the folder back. */
export class RunStore {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly #release: () => Promise<void>;

  private constructor(folder: string, manifest: Manifest, release: () => Promise<void>) {
    this.folder = folder;
    this.manifest = manifest;
    this.#release = release;
  }

  /** A new run in a folder that is not there yet or is empty. `configHash` is filled in here. */
  static async create(
    folder: string,
    manifest: Omit<Manifest, "configHash" | "schemaVersion">,
  ): Promise<RunStore> {
    const path = resolve(folder);
    await mkdir(path, { recursive: true });
    const release = await lockFolder(path);
    try {
      const others = (await readdir(path)).filter((name) => name !== "lock.json");
      if (others.length > 0) {
        throw new QuantlabError("run-invalid", `${path} is not empty (it holds ${others[0]})`, {
          hint: "choose another --out, or continue that run with --resume",
        });
      }
      const whole: Manifest = {
        ...manifest,
        schemaVersion: runSchemaVersion,
        configHash: hashOf(manifest.config),
      };
      for (const key of whole.cells) cellFolder(path, key);
      await writeJson(join(path, "manifest.json"), whole);
      return new RunStore(path, whole, release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * An existing run, to go on with it.
   * @param config when given, what the run would be made with now; it must hash to the stored hash
   */
  static async open(folder: string, config?: Manifest["config"]): Promise<RunStore> {
    const path = resolve(folder);
    const manifest = await readManifest(path);
    if (config !== undefined && hashOf(config) !== manifest.configHash) {
      throw new QuantlabError("run-invalid", `${path} was made with another configuration`, {
        hint: `differing: ${differingKeys(manifest.config, config).join(", ")}; start a new run, or resume without changing flags`,
      });
    }
    return new RunStore(path, manifest, await lockFolder(path));
  }

  /** An empty folder for a cell's raw records; what an unfinished attempt left is removed. */
  async startCell(key: CellKey): Promise<string> {
    const path = cellFolder(this.folder, key);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Stores a cell's result; from now on the cell is finished. */
  async writeResult(result: CellResult): Promise<void> {
    const path = cellFolder(this.folder, result.quantlab.key);
    await mkdir(path, { recursive: true });
    await writeJson(join(path, "result.json"), cellResultSchema.parse(result));
  }

  /** Results so far, in the manifest's order; failed and skipped ones included. */
  results(): Promise<CellResult[]> {
    return readResults(this.folder, this.manifest);
  }

  /** Cells that a resume still has to run: those without a result, and those that failed. */
  async missing(): Promise<CellKey[]> {
    const kept = (await this.results()).filter(({ quantlab }) => quantlab.status !== "failed");
    const finished = new Set(kept.map(({ quantlab }) => cellPath(quantlab.key)));
    return this.manifest.cells.filter((key) => !finished.has(cellPath(key)));
  }

  /** A document of the whole run, for example analysis.json. */
  writeDocument(name: string, text: string): Promise<void> {
    return writeFileAtomic(join(this.folder, basename(name)), text);
  }

  /** Replaces the manifest when the run learns more: the hashes of its requests, added cells. */
  async updateManifest(
    change: Partial<Pick<Manifest, "requestHashes" | "cells" | "traffic">>,
  ): Promise<void> {
    Object.assign(this.manifest, change);
    await writeJson(join(this.folder, "manifest.json"), this.manifest);
  }

  /** Gives up the lock; idempotent. */
  close(): Promise<void> {
    return this.#release();
  }
}

/** Loads a run, finished or not, without locking it. @throws file-not-found, run-invalid */
export async function loadRun(folder: string): Promise<Run> {
  const path = resolve(folder);
  const manifest = await readManifest(path);
  const [results, loads] = await Promise.all([
    readResults(path, manifest),
    readLoads(path, Object.keys(manifest.requestHashes)),
  ]);
  return { folder: path, manifest, results, loads };
}

/** Run folders directly below a folder, oldest first by the manifest's time. */
export async function listRuns(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  const runs: { path: string; createdAt: string }[] = [];
  for (const name of names) {
    const path = resolve(parent, name);
    if (!existsSync(join(path, "manifest.json"))) continue;
    const manifest = await readManifest(path).catch(() => undefined);
    if (manifest !== undefined) runs.push({ path, createdAt: manifest.createdAt });
  }
  return runs.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1)).map(({ path }) => path);
}

async function readResults(folder: string, manifest: Manifest): Promise<CellResult[]> {
  const results: CellResult[] = [];
  for (const key of manifest.cells) {
    const path = join(cellFolder(folder, key), "result.json");
    const found = await readFile(path, "utf8").catch(() => undefined);
    if (found !== undefined) results.push(parseAs(cellResultSchema, found, path));
  }
  return results;
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, "manifest.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) {
    const there = await stat(folder).catch(() => undefined);
    const code = there === undefined ? "file-not-found" : "run-invalid";
    throw new QuantlabError(code, `${folder} is not a run: it has no manifest.json`, {
      hint: "give a folder that `quantlab run` made",
    });
  }
  return parseAs(manifestSchema, text, path);
}

function parseAs<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new QuantlabError("run-invalid", `${path} is not JSON`, {
      hint: "the file was edited or damaged; delete it to measure the cell again",
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") || "the file";
  throw new QuantlabError("run-invalid", `${path}: ${where}: ${issue?.message}`, {
    hint: `this quantlab reads runs of schema version ${runSchemaVersion}`,
    cause: parsed.error,
  });
}

function differingKeys(a: Manifest["config"], b: Manifest["config"]): string[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.filter((key) => hashOf(a[key] ?? null) !== hashOf(b[key] ?? null));
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
