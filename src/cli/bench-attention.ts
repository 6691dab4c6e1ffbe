/** `quantlab bench attention`: decode and prefill over a paged cache, beside the machine's ceilings. */
import { Command, Option } from "commander";
import { significant } from "../base/units.ts";
import { parseKvCacheDtype } from "../checkpoint/kv-cache-dtype.ts";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { kernels } from "../kernels/binding.ts";
import {
  type AttentionCell,
  type AttentionResult,
  attentionCellSchema,
  attentionResultSchema,
  measureAttention,
} from "./bench-attention-cell.ts";
import { inFreshProcess } from "./bench-cell-process.ts";
import { addonOfRevision, ownAddon } from "./bench-kernels-build.ts";
import { positiveInteger, positiveIntegers } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { renderTable } from "./table.ts";
import { defaultThreads } from "./threads.ts";

interface AttentionFlags {
  readonly shape: readonly string[];
  readonly kvCacheDtype: readonly string[];
  readonly decode: readonly number[];
  readonly prefill: readonly number[];
  readonly sequences: readonly number[];
  readonly threads: number;
  readonly repeats: number;
  readonly against?: string;
  readonly json: boolean;
  readonly cell?: string;
}

interface Measured {
  readonly cell: AttentionCell;
  readonly result: AttentionResult;
}

const notes = `
Times are of one layer. Decode reads caches that rotate through layers, 200 MB in all, so that each call
finds its own in memory: GB/s are of the contexts' keys and values, and % of what all threads could read in
the same process. GFLOP/s are of causal attention, beside the BF16 inner product's rate measured there.
Each cell runs in a process of its own; with --against the builds take turns, and "x" is how many times
faster this one is (revisions from the FP8 cache on).

Examples:
  $ quantlab bench attention
  $ quantlab bench attention --shape llama-3.2-1b --decode 2048 --prefill 512 --against HEAD~1`;

const words = (text: string): string[] => text.split(",");
const lengths = (text: string): number[] => (text === "none" ? [] : positiveIntegers(text));

export function benchAttentionCommand(): Command {
  return new Command("attention")
    .description(
      "attention in decode and prefill, against the machine's ceilings and another build",
    )
    .option("--shape <list>", "dummy models' heads", words, ["smollm2-135m", "llama-3.2-1b"])
    .option("--kv-cache-dtype <list>", "bf16, fp8", words, ["bf16", "fp8"])
    .option("--decode <list>", 'tokens of context, or "none"', lengths, [512, 2048, 4096])
    .option("--prefill <list>", 'tokens of the prompt, or "none"', lengths, [512, 2048])
    .option("--sequences <list>", "that decode together", positiveIntegers, [1])
    .option("--threads <n>", "threads of the kernels", positiveInteger, defaultThreads())
    .option("--repeats <n>", "measured calls of each build", positiveInteger, 60)
    .option("--against <revision>", "another git revision of this checkout, built and interleaved")
    .option("--json", "one machine-readable object on stdout", false)
    .addOption(new Option("--cell <json>").hideHelp())
    .addHelpText("after", notes)
    .action(runAttention);
}

function runAttention(flags: AttentionFlags): void {
  if (flags.cell !== undefined) {
    const cell = attentionCellSchema.parse(JSON.parse(flags.cell));
    process.stdout.write(`${JSON.stringify(measureAttention(cell))}\n`);
    return;
  }
  const addons = [ownAddon];
  if (flags.against !== undefined) addons.push(addonOfRevision(flags.against));
  const cells = cellsOf(flags, addons);
  const progress = new Progress();
  const measured = cells.map((cell, i) => {
    const name = nameOf(cell);
    progress.bar({ fraction: i / cells.length, leftMs: undefined, text: name });
    return { cell, result: inFreshProcess("attention", name, cell, attentionResultSchema) };
  });
  progress.end();
  const { model, isa } = kernels.cpu();
  const machine = { model, isa, threads: flags.threads };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ machine, against: flags.against, measured })}\n`);
    return;
  }
  process.stdout.write(`${model}, ${isa}, ${flags.threads} threads\n\n`);
  process.stdout.write(tableOf(measured, flags.against));
}

const nameOf = ({ shape, dtype, phase, context, sequences }: AttentionCell) =>
  `${shape} ${dtype} ${phase} ${context}${sequences === 1 ? "" : ` x ${sequences}`}`;

function cellsOf(flags: AttentionFlags, addons: readonly string[]): AttentionCell[] {
  const { threads, repeats } = flags;
  return flags.shape.flatMap((shape) => {
    const { heads, kvHeads, headDim } = shapeConfig(shape);
    return flags.kvCacheDtype.flatMap((name) => {
      const dtype = parseKvCacheDtype(name);
      const of = (phase: AttentionCell["phase"], context: number, sequences: number) => ({
        ...{ shape, heads, kvHeads, headDim, dtype, phase, context, sequences },
        ...{ threads, repeats, addons: [...addons] },
      });
      const decodes = flags.decode.flatMap((context) =>
        flags.sequences.map((sequences) => of("decode", context, sequences)),
      );
      return [...decodes, ...flags.prefill.map((context) => of("prefill", context, 1))];
    });
  });
}

function tableOf(measured: readonly Measured[], against: string | undefined): string {
  return renderTable({
    title: `Attention of one layer${against === undefined ? "" : `, against ${against}`}`,
    header: [
      ...["heads of, cache, phase", "us", "quartiles", "GB/s", "% of read", "GFLOP/s", "% of peak"],
      ...["error", ...(against === undefined ? [] : ["x"])],
    ],
    rows: measured.map(({ cell, result }) => rowOf(cell, result)),
  });
}

function rowOf(cell: AttentionCell, result: AttentionResult): string[] {
  const [ours, other] = result.builds;
  if (ours === undefined) throw new TypeError("a cell without a build");
  const seconds = ours.medianMs / 1e3;
  const read = result.kvBytes / seconds;
  const rate = result.flop / seconds;
  const percent = (value: number, ceiling: number) => `${Math.round((100 * value) / ceiling)} %`;
  const isDecode = cell.phase === "decode";
  return [
    nameOf(cell),
    significant(ours.medianMs * 1e3, 4),
    `${significant(ours.lowMs * 1e3, 3)}-${significant(ours.highMs * 1e3, 3)}`,
    // A prompt's keys are in the caches: what it reads says nothing of memory.
    isDecode ? significant(read / 1e9, 3) : "",
    isDecode ? percent(read, result.readBytesPerSecond) : "",
    significant(rate / 1e9, 3),
    percent(rate, result.flopPerSecond),
    result.error?.toExponential(1) ?? "",
    ...(other === undefined ? [] : [(other.medianMs / ours.medianMs).toFixed(2)]),
  ];
}
