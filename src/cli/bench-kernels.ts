/** `quantlab bench kernels`: every matmul of a model beside the machine's ceilings, and another build. */
import { Command, Option } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { significant } from "../base/units.ts";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { blockSize } from "../formats/fp8/config.ts";
import { formatByName, formats } from "../formats/registry.ts";
import { kernels } from "../kernels/binding.ts";
import { inFreshProcess } from "./bench-cell-process.ts";
import { addonOfRevision, ownAddon } from "./bench-kernels-build.ts";
import {
  cellResultSchema,
  cellSchema,
  type KernelCell,
  type KernelCellResult,
  measureCell,
} from "./bench-kernels-cell.ts";
import { positiveInteger, positiveIntegers } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { renderTable } from "./table.ts";
import { defaultThreads } from "./threads.ts";

interface KernelsFlags {
  readonly format: readonly string[];
  readonly m: readonly number[];
  readonly shape: string;
  readonly op: readonly string[];
  readonly scales: "channel" | "block";
  readonly threads: number;
  readonly repeats: number;
  readonly against?: string;
  readonly json: boolean;
  readonly cell?: string;
}

interface Measured {
  readonly cell: KernelCell;
  readonly result: KernelCellResult;
}

const notes = `
Each cell runs in a process of its own; with --against the two builds take turns in it, call by call,
and "x" is how many times faster this build is. Weights rotate through copies, so that each call reads
them from memory. GB/s are of weight bytes, and % of what all threads could read in the same process;
GFLOP/s beside the BF16 inner product's rate, measured there too. "error" is the largest of sampled
outputs against FP64 sums, over the sum of the magnitudes added.

Example:
  $ quantlab bench kernels --shape llama-3.2-1b --m 1,16,512 --against HEAD~5`;

const words = (text: string): string[] => text.split(",");

export function benchKernelsCommand(): Command {
  return new Command("kernels")
    .description("each matmul against the machine's ceilings, the reference and another build")
    .option("--shape <name>", "a dummy model's matrices, or ROWSxCOLUMNS", "llama-3.2-1b")
    .option("--op <list>", "of the model's matrices: qkv, output, gate-up, down, head", words, [])
    .option(
      "--format <list>",
      "number formats",
      words,
      formats.map(({ name }) => name),
    )
    .addOption(
      new Option("--scales <granularity>", "fp8: what shares a weight scale")
        .choices(["channel", "block"])
        .default("channel"),
    )
    .option("--m <list>", "rows of activations", positiveIntegers, [1, 16, 64, 512])
    .option("--threads <n>", "threads of the kernels", positiveInteger, defaultThreads())
    .option("--repeats <n>", "measured calls of each build", positiveInteger, 40)
    .option("--against <revision>", "another git revision of this checkout, built and interleaved")
    .option("--json", "one machine-readable object on stdout", false)
    .addOption(new Option("--cell <json>").hideHelp())
    .addHelpText("after", notes)
    .action(runKernels);
}

function runKernels(flags: KernelsFlags): void {
  if (flags.cell !== undefined) {
    const cell = cellSchema.parse(JSON.parse(flags.cell));
    process.stdout.write(`${JSON.stringify(measureCell(cell))}\n`);
    return;
  }
  const addons = [ownAddon];
  if (flags.against !== undefined) addons.push(addonOfRevision(flags.against));
  const cells = cellsOf(flags, addons);
  const progress = new Progress();
  const measured = cells.map((cell, i) => {
    const name = `${cell.format} ${cell.name} m ${cell.m}`;
    progress.bar({ fraction: i / cells.length, leftMs: undefined, text: name });
    return { cell, result: inFreshProcess("kernels", name, cell, cellResultSchema) };
  });
  progress.end();
  const { model, isa } = kernels.cpu();
  const machine = { model, isa, threads: flags.threads };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ machine, against: flags.against, measured })}\n`);
    return;
  }
  process.stdout.write(`${model}, ${isa}, ${flags.threads} threads\n`);
  for (const format of flags.format) {
    const rows = measured.filter(({ cell }) => cell.format === format);
    process.stdout.write(`\n${tableOf(format, rows, flags.against)}`);
  }
}

/** Rows and columns of each matrix of a model, by the name of its op. */
function matricesOf(shape: string): readonly (readonly [string, number, number])[] {
  const sizes = /^(\d+)x(\d+)$/.exec(shape);
  if (sizes !== null) return [["linear", Number(sizes[1]), Number(sizes[2])]];
  const config = shapeConfig(shape);
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  return [
    ["qkv", (heads + 2 * kvHeads) * headDim, hiddenSize],
    ["output", hiddenSize, heads * headDim],
    ["gate-up", 2 * intermediateSize, hiddenSize],
    ["down", hiddenSize, intermediateSize],
    ["head", vocabSize, hiddenSize],
  ];
}

function cellsOf(flags: KernelsFlags, addons: readonly string[]): KernelCell[] {
  const matrices = matricesOf(flags.shape).filter(
    ([name]) => flags.op.length === 0 || flags.op.includes(name),
  );
  if (matrices.length === 0) {
    throw new QuantlabError("usage", `none of ${flags.op.join(", ")} is an op of ${flags.shape}`);
  }
  const { threads, repeats } = flags;
  return flags.format.flatMap((format) =>
    matrices
      // Heads stay BF16 in every format.
      .filter(([name]) => name !== "head" || format === "bf16")
      .flatMap(([name, rows, columns]) => {
        const isBlock = format === "fp8" && flags.scales === "block";
        const groupSize = isBlock ? blockSize : groupSizeOf(format, columns);
        const shared = { format, name, rows, columns, threads, repeats, addons: [...addons] };
        return flags.m.map((m) => ({
          ...shared,
          m,
          ...(groupSize === undefined ? {} : { groupSize }),
          ...(isBlock ? { granularity: "block" as const } : {}),
        }));
      }),
  );
}

/** The group size that the format would choose for a model of these columns alone. */
function groupSizeOf(format: string, columns: number): number | undefined {
  const config = {
    ...shapeConfig("llama-3.2-1b"),
    hiddenSize: columns,
    intermediateSize: columns,
    heads: 1,
    headDim: columns,
  };
  return formatByName(format).resolve(config).groupSize;
}

function tableOf(format: string, rows: readonly Measured[], against: string | undefined): string {
  return renderTable({
    title: `${format}${against === undefined ? "" : `, against ${against}`}`,
    header: [
      ...["matrix", "m", "us", "quartiles", "GB/s", "% of read", "GFLOP/s", "% of peak", "error"],
      ...(against === undefined ? [] : ["x"]),
    ],
    rows: rows.map(({ cell, result }) => rowOf(cell, result)),
  });
}

function rowOf(cell: KernelCell, result: KernelCellResult): string[] {
  const [ours, other] = result.builds;
  if (ours === undefined) throw new TypeError("a cell without a build");
  const seconds = ours.medianMs / 1e3;
  const read = result.weightBytes / seconds;
  const rate = result.flop / seconds;
  const percent = (value: number, ceiling: number) => `${Math.round((100 * value) / ceiling)} %`;
  return [
    `${cell.name} ${cell.rows}x${cell.columns}`,
    String(cell.m),
    significant(ours.medianMs * 1e3, 4),
    `${significant(ours.lowMs * 1e3, 3)}-${significant(ours.highMs * 1e3, 3)}`,
    significant(read / 1e9, 3),
    percent(read, result.readBytesPerSecond),
    significant(rate / 1e9, 3),
    percent(rate, result.flopPerSecond),
    result.error.toExponential(1),
    ...(other === undefined ? [] : [(other.medianMs / ours.medianMs).toFixed(2)]),
  ];
}
