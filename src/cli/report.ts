/** `quantlab report`: the page, Markdown or the analysis again, from run folders. */
import { join } from "node:path";
import { Command, Option } from "commander";
import { analyzeRun } from "../analysis/analyze.ts";
import { QuantlabError } from "../base/errors.ts";
import { renderMarkdown } from "../report/markdown.ts";
import { writeMarkdown, writeReport } from "../report/write.ts";
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import { loadRun } from "../results/store.ts";

/** In place of a folder: the published figures. */
const referenceName = "reference";

interface ReportOptions {
  readonly out?: string;
  readonly format: "html" | "md" | "json";
  readonly json?: boolean;
}

export function reportCommand(): Command {
  return new Command("report")
    .description("The page and the tables again from run folders; several runs on one page.")
    .argument("<runs...>", `folders that \`quantlab run\` made, or "${referenceName}"`)
    .option("--out <file>", "where to write (default: report.html in the first run's folder)")
    .addOption(
      new Option("--format <format>", "html, md (Markdown), or json (the analysis)")
        .choices(["html", "md", "json"])
        .default("html"),
    )
    .option("--json", "the analysis as one JSON object on stdout")
    .addHelpText(
      "after",
      `
Examples:
  $ quantlab report runs/2026-11-24T08-00-00            writes report.html into it
  $ quantlab report runs/a runs/b --out both.html
  $ quantlab report reference --out published.html      the published figures, judged
  $ quantlab report runs/a --format md                  Markdown on stdout`,
    )
    .action((names: string[], options: ReportOptions) => report(names, options));
}

async function report(names: readonly string[], options: ReportOptions): Promise<void> {
  const runs = (await Promise.all(names.map(runsOf))).flat();
  const { out } = options;
  if (options.json === true || options.format === "json") {
    const analyses = runs.map((run) => ({ folder: run.folder, ...analyzeRun(run) }));
    process.stdout.write(`${JSON.stringify({ runs: analyses }, null, 2)}\n`);
  } else if (options.format === "md") {
    if (out === undefined) process.stdout.write(renderMarkdown(runs));
    else process.stdout.write(`${await writeMarkdown(runs, out)}\n`);
  } else {
    process.stdout.write(`${await writeReport(runs, out ?? defaultPage(names))}\n`);
  }
}

/** A run by folder, or the published ones. */
export async function runsOf(name: string): Promise<readonly Run[]> {
  return name === referenceName ? referenceRuns : [await loadRun(name)];
}

function defaultPage(names: readonly string[]): string {
  const folder = names.find((name) => name !== referenceName);
  if (folder !== undefined) return join(folder, "report.html");
  throw new QuantlabError("usage", "the published runs have no folder to write a page into", {
    hint: "say where with --out published.html",
  });
}
