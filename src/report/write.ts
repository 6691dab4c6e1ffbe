/** Writes the report of one or more runs to a file. */
import { mkdir } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { analyzeRun } from "../analysis/analyze.ts";
import { type Requirements, requirementsOf } from "../analysis/eligibility.ts";
import { writeFileAtomic } from "../results/atomic-file.ts";
import { recordsOf } from "../results/records.ts";
import type { Run } from "../results/run.ts";
import { charts } from "./charts/registry.ts";
import { renderMarkdown } from "./markdown.ts";
import { renderPage } from "./page.ts";
import { renderSvg } from "./render.ts";

/** The page of the runs as HTML. @returns the absolute path written */
export async function writeReport(
  runs: readonly Run[],
  outPath: string,
  over: Requirements = {},
): Promise<string> {
  const path = resolve(outPath);
  const reported = runs.map(async (run) => ({
    run,
    analysis: analyzeRun(run, requirementsOf(run, over)),
    cellsBase: cellsBase(run, path),
    records: await recordsOf(run, "serving"),
  }));
  await writeWhole(path, await renderPage(await Promise.all(reported)));
  return path;
}

export async function writeMarkdown(
  runs: readonly Run[],
  outPath: string,
  over: Requirements = {},
): Promise<string> {
  const path = resolve(outPath);
  await writeWhole(path, renderMarkdown(runs, over));
  return path;
}

/** Every figure of the runs as an SVG file of its own. @returns the paths written */
export async function writeFigures(runs: readonly Run[], outFolder: string): Promise<string[]> {
  const folder = resolve(outFolder);
  const paths: string[] = [];
  for (const [index, run] of runs.entries()) {
    const analysis = analyzeRun(run);
    const records = await recordsOf(run, "serving");
    for (const chart of charts) {
      const figure = chart.figure(run, analysis, records);
      if (figure === undefined) continue;
      const path = join(folder, `${runs.length > 1 ? `${index + 1}-` : ""}${figure.id}.svg`);
      const label = `${figure.title}. ${figure.caption}`;
      const svg = await renderSvg(figure.spec(figureWidth), `f${index}-${figure.id}`, label);
      await writeWhole(path, standalone(svg));
      paths.push(path);
    }
  }
  return paths;
}

const figureWidth = 620;

/** Outside of a page there is no colour of text to take: dark on light, or light where the reader's is dark. */
function standalone(svg: string): string {
  const style =
    "<style>svg{color:#1c2021;background:#fdfdfc}@media(prefers-color-scheme:dark){svg{color:#e6e9e8;background:#15181a}}</style>";
  return `${svg.replace(/^(<svg [^>]*>)/, `$1${style}`)}\n`;
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
