/** `quantlab plan`: the cells that `run` would run, with what each is predicted to cost. */
import { Command } from "commander";
import { formatBytes, formatDuration, significant } from "../base/units.ts";
import { chooseModel } from "../experiments/choose-model.ts";
import { type Plan, type PlannedBlock, planRun } from "../experiments/plan.ts";
import { cellPath, type Machine } from "../results/run.ts";
import { addLabFlags, localDraftOf, type LabOptions } from "./lab-options.ts";
import { measureMachine } from "./machine.ts";
import { renderTable } from "./table.ts";

const examples = `
Examples:
  $ quantlab plan                              what \`npm start\` would run here
  $ quantlab plan --profile full               the published experiment: hours on a CPU
  $ quantlab plan examples/lab.yaml --json`;

export function planCommand(): Command {
  const command = new Command("plan")
    .description("The cells that `run` would run, with predicted duration, memory and disk.")
    .argument("[lab.yaml]", "a whole experiment as a file")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples);
  return addLabFlags(command).action(
    (file: string | undefined, options: LabOptions & { json?: boolean }) => {
      const draft = localDraftOf(file, options);
      process.stderr.write("measuring this machine\n");
      const machine = measureMachine(draft.threads);
      const plan = planRun(chooseModel(draft, machine), machine);
      process.stdout.write(
        options.json ? `${JSON.stringify(planJson(plan, machine))}\n` : planText(plan),
      );
    },
  );
}

function planJson(plan: Plan, machine: Machine): unknown {
  const { config, blocks, predictedMs, diskBytes } = plan;
  return {
    config,
    machine,
    predictedMs,
    diskBytes,
    blocks: blocks.map(({ entry, repeat, startMs, memoryBytes, cells }) => ({
      format: entry.label,
      repeat,
      startMs,
      memoryBytes,
      cells,
    })),
  };
}

/** The plan as a table, one row a cell and one a server's start. */
export function planText(plan: Plan): string {
  const table = renderTable({
    title: `Plan for ${plan.config.model} (profile ${plan.config.profile})`,
    header: ["cell", "predicted", "memory", "disk"],
    rows: plan.blocks.flatMap(blockRows),
  });
  const total =
    plan.predictedMs === 0
      ? "not predicted: the model is not here"
      : `about ${formatDuration(plan.predictedMs)}`;
  const skips = new Set(
    plan.blocks.flatMap(({ cells }) =>
      cells.flatMap(({ key, skip }) => (skip === undefined ? [] : [`${key.experiment}: ${skip}`])),
    ),
  );
  const skipped = [...skips].map((line) => `Skipped: ${line}\n`).join("");
  return `${table}\n${skipped}In all: ${total}, ${formatBytes(significantBytes(plan.diskBytes))} on disk.\n`;
}

function blockRows(block: PlannedBlock): string[][] {
  const memory = block.memoryBytes === undefined ? "" : formatBytes(block.memoryBytes);
  const start =
    block.startMs === 0
      ? []
      : [[`${block.entry.label}: server start`, formatDuration(block.startMs), memory, ""]];
  const cells = block.cells.map((cell) => [
    cellPath(cell.key),
    cell.skip === undefined ? predictionOf(cell.predictedMs) : "skipped",
    "",
    formatBytes(significantBytes(cell.diskBytes)),
  ]);
  return [...start, ...cells];
}

function predictionOf(ms: number): string {
  return ms === 0 ? "" : formatDuration(ms);
}

/** A prediction has no more than two digits that mean anything. */
function significantBytes(bytes: number): number {
  return Number(significant(bytes, 2).replace(/(?<=^\d\d)\d/g, "0"));
}
