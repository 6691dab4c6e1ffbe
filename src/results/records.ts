/** Raw records of finished cells, read back for figures that need every request. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJsonLines } from "../base/json-lines.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { type CellKey, cellPath, type Run } from "./run.ts";
import { cellFolder, recordsFile } from "./store.ts";

/** What figures read of a record; a line without these is not one. */
const timesSchema = z.looseObject({
  index: z.number(),
  intendedMs: z.number(),
  sentMs: z.number(),
  tokenTimesMs: z.array(z.number()),
  doneMs: z.number(),
  outputTokens: z.number(),
  error: z.unknown().optional(),
});

/** The times of one request. */
export type RecordedTimes = Pick<
  RequestRecord,
  "index" | "intendedMs" | "sentMs" | "tokenTimesMs" | "doneMs" | "outputTokens"
>;

/** Successful requests of a cell; none where the run has no records or they cannot be read. */
export async function readRecords(run: Run, key: CellKey): Promise<RecordedTimes[]> {
  const records: RecordedTimes[] = [];
  try {
    const path = join(cellFolder(run.folder, key), recordsFile);
    if (!existsSync(path)) return [];
    for await (const line of readJsonLines(path)) {
      const parsed = timesSchema.safeParse(line);
      if (!parsed.success) continue;
      const { error, tokenTimesMs } = parsed.data;
      if ((error === undefined || error === null) && tokenTimesMs.length > 0) {
        records.push(parsed.data);
      }
    }
  } catch {
    // A report is made from what can be read; the figures in result.json stand without the records.
    return [];
  }
  return records;
}

/** Records of every finished cell of an experiment, by cell path. */
export async function recordsOf(
  run: Run,
  experiment: string,
): Promise<ReadonlyMap<string, readonly RecordedTimes[]>> {
  const found = new Map<string, readonly RecordedTimes[]>();
  for (const { quantlab } of run.results) {
    const { key, status } = quantlab;
    if (key.experiment !== experiment || status !== "done") continue;
    const records = await readRecords(run, key);
    if (records.length > 0) found.set(cellPath(key), records);
  }
  return found;
}
