/** `quantlab report`: the page, Markdown or the analysis again, from run folders. */
import { join } from "node:path";
import { Command, Option } from "commander";
import { analyzeRun } from "../analysis/analyze.ts";
import { type Requirements, requirementsOf } from "../analysis/eligibility.ts";
import { trafficKinds } from "../analysis/objectives.ts";
import { QuantlabError } from "../base/errors.ts";
import { renderMarkdown } from "../report/markdown.ts";
import { writeFigures, writeMarkdown, writeReport } from "../report/write.ts";
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import { loadRun } from "../results/store.ts";
import { positiveNumber, share } from "./option-values.ts";

/** In place of a folder: the published figures. */
const referenceName = "reference";

interface ReportOptions {
  readonly out?: string;
  readonly format: "html" | "md" | "json" | "svg";
  readonly json?: boolean;
  readonly slo?: Readonly<Record<string, number>>;
  readonly traffic?: Readonly<Record<string, number>>;
  readonly memoryGb?: number;
  readonly accuracyDrop?: number;
}

export function reportCommand(): Command {
  return new Command("report")
    .description("The page and the tables again from run folders; several runs on one page.")
    .argument("<runs...>", `folders that \`quantlab run\` made, or "${referenceName}"`)
    .option("--out <file>", "where to write (default: report.html in the first run's folder)")
    .addOption(
      new Option(
        "--format <format>",
        "html, md (Markdown), json (the analysis), or svg (each figure, into the folder --out)",
      )
        .choices(["html", "md", "json", "svg"])
        .default("html"),
    )
    .option("--json", "the analysis as one JSON object on stdout")
    .option(
      "--slo <limits>",
      "ms at the lowest rate, as ttft:2000,tpot:100",
      pairs(["ttft", "tpot"]),
    )
    .option(
      "--traffic <mix>",
      `shares of the load, as single:3,saturated:1; of ${trafficKinds.join(", ")}`,
      pairs(trafficKinds),
    )
    .option("--memory-gb <n>", "room for weights", positiveNumber)
    .option("--accuracy-drop <share>", "loss that is accepted, as 0.01", share)
    .addHelpText(
      "after",
      `
Examples:
  $ quantlab report runs/2026-11-24T08-00-00            writes report.html into it
  $ quantlab report runs/a runs/b --out both.html
  $ quantlab report reference --out published.html      the published figures, judged
  $ quantlab report reference --format svg --out figures
  $ quantlab report runs/a --format md                  Markdown on stdout
  $ quantlab report runs/a --traffic single:1 --memory-gb 8 --accuracy-drop 0.01`,
    )
    .action((names: string[], options: ReportOptions) => report(names, options));
}

/** "ttft:2000,tpot:100" as an object. @throws usage, with the names there are */
function pairs(known: readonly string[]) {
  return (text: string): Record<string, number> =>
    Object.fromEntries(
      text.split(",").map((part) => {
        const [name = "", value = ""] = part.split(":").map((word) => word.trim());
        if (!known.includes(name)) {
          throw new QuantlabError("usage", `"${part.trim()}" is none of ${known.join(", ")}`, {
            hint: `write for example ${known[0]}:1,${known[1]}:2`,
          });
        }
        return [name, positiveNumber(value)];
      }),
    );
}

function requirementsFrom({ slo, traffic, memoryGb, accuracyDrop }: ReportOptions): Requirements {
  const budget = {
    ...(memoryGb === undefined ? {} : { memoryGb }),
    ...(accuracyDrop === undefined ? {} : { accuracyDrop }),
  };
  return { ...(slo === undefined ? {} : { slo }), budget, traffic };
}

async function report(names: readonly string[], options: ReportOptions): Promise<void> {
  const runs = (await Promise.all(names.map(runsOf))).flat();
  const { out } = options;
  const over = requirementsFrom(options);
  if (options.json === true || options.format === "json") {
    const analyses = runs.map((run) => ({
      folder: run.folder,
      ...analyzeRun(run, requirementsOf(run, over)),
    }));
    process.stdout.write(`${JSON.stringify({ runs: analyses }, null, 2)}\n`);
  } else if (options.format === "md") {
    if (out === undefined) process.stdout.write(renderMarkdown(runs, over));
    else process.stdout.write(`${await writeMarkdown(runs, out, over)}\n`);
  } else if (options.format === "svg") {
    if (out === undefined) throw new QuantlabError("usage", "figures need a folder: --out FOLDER");
    process.stdout.write(`${(await writeFigures(runs, out)).join("\n")}\n`);
  } else {
    process.stdout.write(`${await writeReport(runs, out ?? defaultPage(names), over)}\n`);
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
