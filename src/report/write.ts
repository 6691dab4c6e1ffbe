/** Writes the report of one or more runs to a file. */
import { mkdir } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { analyzeRun } from "../analysis/analyze.ts";
import { writeFileAtomic } from "../results/atomic-file.ts";
import { recordsOf } from "../results/records.ts";
import type { Run } from "../results/run.ts";
import { renderMarkdown } from "./markdown.ts";
import { renderPage } from "./page.ts";

/** The page of the runs as HTML. @returns the absolute path written */
export async function writeReport(runs: readonly Run[], outPath: string): Promise<string> {
  const path = resolve(outPath);
  const reported = runs.map(async (run) => ({
    run,
    analysis: analyzeRun(run),
    cellsBase: cellsBase(run, path),
    records: await recordsOf(run, "serving"),
  }));
  await writeWhole(path, await renderPage(await Promise.all(reported)));
  return path;
}

export async function writeMarkdown(runs: readonly Run[], outPath: string): Promise<string> {
  const path = resolve(outPath);
  await writeWhole(path, renderMarkdown(runs));
  return path;
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, text);
}

/** "" for a page in the run's folder; undefined when the run lies elsewhere, as links would break. */
function cellsBase(run: Run, outPath: string): string | undefined {
  const away = relative(dirname(outPath), resolve(run.folder));
  if (away === "") return "";
  const outside = away.startsWith("..") || resolve(away) === away;
  return outside ? undefined : `${away.split(sep).join("/")}/`;
}
