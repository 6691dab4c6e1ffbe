/** `quantlab import`: result files of other tools into a run folder. */
import { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { type ImportSource, importRun } from "../results/import/import.ts";
import { cellPath } from "../results/run.ts";
import { packageVersion } from "./version.ts";

interface ImportFlags {
  readonly out: string;
  readonly json: boolean;
}

const notes = `
A file is named with the row that it belongs to: bf16=FILE; without a row it is "imported".
vllm bench serve --save-result (with --save-detailed also every request), GuideLLM's report and
AIPerf's profile_export_aiperf.json are known by their content.

Example:
  $ quantlab import bf16=bf16.json fp8=fp8.json --out runs/from-vllm
  $ quantlab report runs/from-vllm`;

export function importCommand(): Command {
  return new Command("import")
    .description("result files of vllm bench serve, GuideLLM or AIPerf into a run folder")
    .argument("<files...>", "[ROW=]FILE")
    .requiredOption("--out <folder>", "the new run's folder")
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", notes)
    .action(runImport);
}

async function runImport(files: readonly string[], flags: ImportFlags): Promise<void> {
  const keys = await importRun(flags.out, files.map(sourceOf), {
    quantlabVersion: packageVersion(),
    createdAt: new Date(systemClock.wallMs()).toISOString(),
  });
  const paths = keys.map(cellPath);
  if (flags.json) process.stdout.write(`${JSON.stringify({ folder: flags.out, cells: paths })}\n`);
  else process.stdout.write(`${flags.out}\n${paths.map((path) => `  ${path}\n`).join("")}`);
}

function sourceOf(word: string): ImportSource {
  const match = /^([\w.-]+)=(.+)$/.exec(word);
  const [, label = "imported", path = word] = match ?? [];
  return { label, path };
}
