/** `quantlab compare`: what changed from one run to another, with intervals; exit 1 on a regression. */
import { Command } from "commander";
import {
  type Change,
  compareRuns,
  judge,
  parseThreshold,
  type Threshold,
} from "../analysis/compare.ts";
import { asRatio, asText } from "../analysis/wording.ts";
import { QuantlabError } from "../base/errors.ts";
import { figureDefinitions } from "../results/figures.ts";
import type { Run } from "../results/run.ts";
import { runsOf } from "./report.ts";
import { renderTable } from "./table.ts";

interface CompareOptions {
  readonly failIf: readonly string[];
  readonly all?: boolean;
  readonly json?: boolean;
}

export function compareCommand(): Command {
  return new Command("compare")
    .description("Ratios of two runs, cell by cell, with intervals where both repeated the cell.")
    .argument("<runA>", "the run to compare with")
    .argument("<runB>", "the run that is judged")
    .option(
      "--fail-if <threshold>",
      "exit 1 when a figure is beyond this with its whole interval; repeatable",
      (text: string, earlier: readonly string[]) => [...earlier, text],
      [] as readonly string[],
    )
    .option("--all", "every figure, not only those that changed or cannot be told")
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      `
Examples:
  $ quantlab compare runs/before runs/after
  $ quantlab compare runs/main runs/branch --fail-if 'tpot>+5%' --fail-if 'throughput<-5%'

A change counts as real when its 95 % interval excludes 1; without repeats (\`run --repeats\`)
there is no interval, and a threshold that is passed is reported as undecided, not as failed.`,
    )
    .action((a: string, b: string, options: CompareOptions) => compare(a, b, options));
}

interface Judged {
  readonly change: Change;
  readonly threshold: Threshold;
  readonly outcome: "fails" | "undecided";
}

async function compare(nameA: string, nameB: string, options: CompareOptions): Promise<void> {
  const thresholds = options.failIf.map(parseThreshold);
  const changes = compareRuns(await singleRun(nameA), await singleRun(nameB));
  if (changes.length === 0) {
    throw new QuantlabError("run-invalid", "the two runs have no finished cell in common", {
      hint: "compare runs with the same formats, batch sizes and rates",
    });
  }
  const judged = judgeAll(changes, thresholds);
  if (options.json === true) {
    const outcomes = judged.map(({ change, threshold, outcome }) => ({
      threshold: threshold.text,
      cell: cellOf(change),
      figure: change.figure,
      outcome,
    }));
    process.stdout.write(`${JSON.stringify({ changes, thresholds: outcomes }, null, 2)}\n`);
  } else {
    process.stdout.write(tableOf(changes, options.all === true));
    for (const entry of judged) process.stderr.write(`${sentence(entry)}\n`);
  }
  const failed = judged.filter(({ outcome }) => outcome === "fails");
  if (failed.length > 0) {
    throw new QuantlabError("threshold-failed", `${failed.length} figures are beyond a threshold`);
  }
}

/** The first of the published runs holds all formats. */
async function singleRun(name: string): Promise<Run> {
  const [run] = await runsOf(name);
  if (run === undefined) throw new QuantlabError("file-not-found", `${name} holds no run`);
  return run;
}

function judgeAll(changes: readonly Change[], thresholds: readonly Threshold[]): Judged[] {
  return thresholds.flatMap((threshold) =>
    changes
      .filter(({ figure }) => threshold.figures.includes(figure))
      .flatMap((change) => {
        const outcome = judge(change, threshold);
        return outcome === "holds" ? [] : [{ change, threshold, outcome }];
      }),
  );
}

function cellOf({ label, experiment, setting }: Change): string {
  return `${label}/${experiment}/${setting}`;
}

function sentence({ change, threshold, outcome }: Judged): string {
  const what = `${cellOf(change)} ${change.figure}: ${asRatio(change.ratio)}`;
  return outcome === "fails"
    ? `fails ${threshold.text}: ${what}`
    : `undecided ${threshold.text}: ${what}; more repeats would decide it`;
}

function tableOf(changes: readonly Change[], all: boolean): string {
  const shown = all ? changes : changes.filter(({ real }) => real !== false);
  const rows = shown.map((change) => [
    cellOf(change),
    figureDefinitions[change.figure]?.title ?? change.figure,
    asText(change.a),
    asText(change.b),
    asRatio(change.ratio),
    judgement(change),
  ]);
  const title = `${shown.length} of ${changes.length} figures${all ? "" : " changed or cannot be told"}`;
  return renderTable({
    title,
    header: ["cell", "figure", "A", "B", "B / A", ""],
    rows,
    left: [1, 5],
  });
}

function judgement({ real, ratio, better }: Change): string {
  if (real === undefined) return "one repeat";
  if (!real) return "same";
  return ratio.value > 1 === (better === "higher") ? "better" : "worse";
}
