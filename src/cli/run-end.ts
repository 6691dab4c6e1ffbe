/** The end of a run: analysis, report and the table, from whatever has been measured. */
import { join, relative } from "node:path";
import { type Analysis, analyzeRun } from "../analysis/analyze.ts";
import { answersTable } from "../analysis/row-answers-text.ts";
import { writeReport } from "../report/write.ts";
import type { Run } from "../results/run.ts";
import { loadRun } from "../results/store.ts";
import type { PreparedRun } from "./prepared-run.ts";
import type { Progress } from "./progress.ts";
import { resultText, tableText } from "./result-text.ts";

/** Writes analysis.json and report.html into the run's folder, and the table to stdout. */
export async function finishRun(
  { store }: PreparedRun,
  progress: Progress,
  json: boolean,
): Promise<void> {
  progress.end();
  const run = await loadRun(store.folder);
  const analysis = analyzeRun(run);
  await store.writeDocument("analysis.json", `${JSON.stringify(analysis, null, 2)}\n`);
  const report = await writeReport([run], join(store.folder, "report.html"));
  process.stdout.write(json ? `${toJson(run, analysis, report)}\n` : toText(run, analysis, report));
}

function toJson({ folder, manifest, results }: Run, analysis: Analysis, report: string): string {
  const { config, machine } = manifest;
  return JSON.stringify({ folder, report, config, machine, results, analysis });
}

/** The result table, the answer in a sentence, what it leaves out, and where the page is. */
function toText(run: Run, analysis: Analysis, report: string): string {
  const { machine, config } = run.manifest;
  const [results] = analysis.tables;
  const answers = answersTable(run);
  const { answer, next, caveats } = analysis.recommendation;
  const head = `${String(config.model)} on ${machine.cpuModel}, ${machine.threads} threads`;
  return [
    `\n${head}\n\n`,
    results === undefined ? "" : `${resultText(results)}\n`,
    answers === undefined ? "" : `${answers.title}\n${tableText(answers)}\n`,
    `${answer}\n`,
    next === undefined ? "" : `Next: ${next.replaceAll("`", "")}\n`,
    ...caveats.map(({ text }) => `- ${text}\n`),
    `\nReport: ${relative(".", report)}\n`,
  ].join("");
}
