/** Result files of other tools into a run folder, for report and compare. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { QuantlabError } from "../../base/errors.ts";
import { JsonLinesWriter } from "../../base/json-lines.ts";
import { type CellKey, type CellResult, type Manifest, cellPath } from "../run.ts";
import { RunStore, recordsFile } from "../store.ts";
import { importAiperf } from "./aiperf.ts";
import { importGuidellm } from "./guidellm.ts";
import type { ImportedCell } from "./imported.ts";
import { importVllm } from "./vllm.ts";

/** Each looks whether a file is its own. */
const readers = [importVllm, importGuidellm, importAiperf] as const;

/** A file and the row that its figures go to. */
export interface ImportSource {
  /** The format, or whatever the rows of the table are to be called. */
  readonly label: string;
  readonly path: string;
}

interface Placed {
  readonly source: ImportSource;
  readonly cell: ImportedCell;
  readonly key: CellKey;
}

/** @throws file-not-found, dataset-invalid when a file is of no tool that we know */
export async function readImport(path: string): Promise<ImportedCell[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new QuantlabError("file-not-found", `${path} cannot be read`, { cause });
  });
  // --append-result writes one JSON a line.
  const documents = parseJson(text) ?? text.trim().split("\n").map(parseJson);
  const cells = (Array.isArray(documents) ? documents : [documents]).flatMap((document) => {
    for (const read of readers) {
      const found = read(document);
      if (found !== undefined) return found;
    }
    throw new QuantlabError("dataset-invalid", `${path} is no result file that we know`, {
      hint: "vllm bench serve --save-result, a GuideLLM report and profile_export_aiperf.json are",
    });
  });
  return cells;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Writes a new run folder of what the files hold; files of one label and setting become repeats.
 * @throws run-invalid when the folder is not empty
 */
export async function importRun(
  folder: string,
  sources: readonly ImportSource[],
  context: Pick<Manifest, "quantlabVersion" | "createdAt">,
): Promise<readonly CellKey[]> {
  const placed = await placeAll(sources);
  const store = await RunStore.create(folder, manifestOf(placed, context));
  try {
    for (const { source, cell, key } of placed) {
      const path = await store.startCell(key);
      await writeRecords(path, cell);
      await store.writeResult(resultOf(source, cell, key));
    }
  } finally {
    await store.close();
  }
  return placed.map(({ key }) => key);
}

async function placeAll(sources: readonly ImportSource[]): Promise<Placed[]> {
  const placed: Placed[] = [];
  const used = new Set<string>();
  for (const source of sources) {
    for (const cell of await readImport(source.path)) {
      const base = { format: source.label, experiment: "serving", setting: cell.setting };
      let repeat = 0;
      while (used.has(cellPath({ ...base, repeat }))) repeat++;
      const key = { ...base, repeat };
      used.add(cellPath(key));
      placed.push({ source, cell, key });
    }
  }
  return placed;
}

async function writeRecords(folder: string, { records }: ImportedCell): Promise<void> {
  if (records.length === 0) return;
  const writer = await JsonLinesWriter.open(join(folder, recordsFile), "w");
  try {
    for (const record of records) await writer.append(record);
  } finally {
    await writer.close();
  }
}

function resultOf({ path }: ImportSource, cell: ImportedCell, key: CellKey): CellResult {
  const reasons =
    cell.failed === 0 ? [] : [`${cell.failed} of ${cell.failed + cell.completed} requests failed`];
  const text = `measured by ${cell.tool}: only its failures can be judged here`;
  return {
    ...cell.vllm,
    quantlab: {
      key,
      status: "done",
      startedAt: cell.startedAt,
      durationMs: cell.durationMs,
      validity: {
        valid: reasons.length === 0,
        reasons,
        gates: [{ name: "imported", verdict: "unknown", text }],
      },
      figures: { ...cell.figures },
      imported: { tool: cell.tool, file: basename(path), notes: cell.notes },
    },
  };
}

function manifestOf(
  placed: readonly Placed[],
  context: Pick<Manifest, "quantlabVersion" | "createdAt">,
): Omit<Manifest, "configHash" | "schemaVersion"> {
  const labels = [...new Set(placed.map(({ key }) => key.format))];
  const config = {
    profile: "imported",
    model: placed[0]?.cell.model ?? "unknown",
    target: placed[0]?.cell.tool ?? "unknown",
    formats: labels.map((label) => ({ label, format: label })),
    experiments: {},
  };
  return {
    ...context,
    config,
    // Nothing is known of the machine that measured.
    machine: {
      ...{ cpuModel: "unknown (imported)", cores: 0, memoryBytes: 0, os: "", node: "", isa: "" },
      ...{ features: [], threads: 0, readBandwidthBytesPerSecond: 0, bf16FlopsPerSecond: 0 },
    },
    cells: placed.map(({ key }) => key),
    requestHashes: {},
    seed: 0,
  };
}
