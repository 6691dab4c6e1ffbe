/** `quantlab eval divergence`: how far a format's distributions are from BF16's on the same text. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { summarizeDivergence } from "../analysis/divergence.ts";
import { formatDuration } from "../base/units.ts";
import { type KvCacheChoice, kvCacheDtypeOf } from "../checkpoint/kv-cache-dtype.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { cutWindows, measureDivergence, type Windows } from "../eval/divergence/measure.ts";
import { defaultHeadFormat } from "../formats/head.ts";
import { kernels } from "../kernels/binding.ts";
import type { DivergenceColumns } from "../metrics/divergence-record.ts";
import { loadTokenizer } from "../text/load.ts";
import { kvCacheDtypeOption, lmHeadOption } from "./engine-options.ts";
import { type DivergenceRow, renderDivergence } from "./eval-divergence-table.ts";
import { defaultDivergenceText, readDivergenceText } from "./eval-divergence-text.ts";
import {
  addRowFlags,
  defaultEvalModel,
  type ModelRow,
  modelRows,
  type RowFlags,
} from "./eval-rows.ts";
import { loadLogits } from "./model-logits.ts";
import { positiveInteger } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { defaultThreads } from "./threads.ts";

interface DivergenceFlags extends RowFlags {
  readonly reference: string;
  readonly textPath?: string;
  readonly tokens: number;
  readonly window: number;
  readonly lmHead?: string;
  readonly kvCacheDtype?: KvCacheChoice;
  readonly threads?: number;
  readonly outputPath?: string;
  readonly json: boolean;
}

const example = `
In-process, no server: both rows are in memory and run through the same windows of text; the reference
keeps a BF16 cache and head whatever --kv-cache-dtype and --lm-head say of the rows. Far more
sensitive than right or wrong answers. Intervals are 95 %, from resampled windows (block bootstrap).

Examples:
  $ quantlab eval divergence --formats fp8,awq
  $ quantlab eval divergence --formats bf16 --kv-cache-dtype fp8      the cache alone
  $ quantlab eval divergence --formats bf16 --lm-head fp8             the output head alone
  $ quantlab eval divergence --model ./Llama-3.2-1B --formats awq --checkpoints ./Llama-3.2-1B-AWQ \\
      --text-path wiki.txt --tokens 16384 --window 512`;

export function evalDivergenceCommand(): Command {
  const command = new Command("divergence").description(
    "perplexity, KL divergence and top-token agreement of formats against BF16",
  );
  return addRowFlags(command)
    .option("--reference <format>", "what the others are held against", "bf16")
    .option("--text-path <file>", "UTF-8 text, or problems as JSONL (default: bundled problems)")
    .option("--tokens <n>", "of the text, at most", positiveInteger, 8192)
    .option("--window <n>", "tokens of one context", positiveInteger, 256)
    .addOption(lmHeadOption())
    .addOption(kvCacheDtypeOption())
    .option("--threads <n>", "of the kernels (default: all cores)", positiveInteger)
    .option("--output-path <folder>", "raw figures of every token as JSON columns")
    .option("--json", "one machine-readable object on stdout", false)
    .addHelpText("after", example)
    .action((flags: DivergenceFlags) => evalDivergence(flags));
}

async function evalDivergence(flags: DivergenceFlags): Promise<void> {
  const model = resolveModel(flags.model ?? defaultEvalModel);
  const [reference] = modelRows(
    { model: flags.model ?? defaultEvalModel, formats: [flags.reference] },
    [],
  );
  if (reference === undefined) throw new Error("a reference is one row");
  const rows = modelRows(flags, ["fp8", "awq"]);
  const textPath = flags.textPath ?? defaultDivergenceText;
  const tokenizer = loadTokenizer(model);
  const ids = tokenizer.encode(await readDivergenceText(textPath), { addSpecialTokens: false });
  // Whatever the tokenizer puts in front of every text, for example BOS.
  const prefix = tokenizer.encode("").filter((id) => id === tokenizer.bosId);
  const windows = cutWindows(ids, flags.window, flags.tokens, prefix);
  kernels.setThreads(flags.threads ?? defaultThreads());
  const progress = new Progress();
  const results: DivergenceRow[] = [];
  for (const row of rows) results.push(await measureRow(reference, row, windows, flags, progress));
  const facts = {
    model: model.label,
    trained: model.trained,
    textPath,
    window: flags.window,
    kvCacheDtype: kvCacheDtypeOf(flags.kvCacheDtype),
    lmHead: flags.lmHead ?? defaultHeadFormat,
  };
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ ...facts, reference: reference.label, rows: results })}\n`
      : renderDivergence(facts, reference.label, results),
  );
}

async function measureRow(
  reference: ModelRow,
  row: ModelRow,
  windows: Windows,
  flags: DivergenceFlags,
  progress: Progress,
): Promise<DivergenceRow> {
  const startMs = performance.now();
  const maxTokens = Math.max(...windows.windows.map((window) => window.length));
  const load = (
    { model, format, label, kernel }: ModelRow,
    kvCache: KvCacheChoice | undefined,
    lmHead: string | undefined,
  ) =>
    loadLogits(
      model,
      format,
      maxTokens,
      (fraction) =>
        progress.bar({ fraction: fraction / 4, leftMs: undefined, text: `${label}: loading` }),
      { kvCacheDtype: kvCacheDtypeOf(kvCache), kernel, lmHead },
    );
  const base = load(reference, undefined, undefined);
  const other = load(row, flags.kvCacheDtype, flags.lmHead);
  const { linearBitsPerWeight } = other.model.memory;
  let columns: DivergenceColumns;
  try {
    columns = measureDivergence(base, other, windows, (done, total) =>
      progress.bar({
        fraction: done / total,
        leftMs: ((performance.now() - startMs) / done) * (total - done),
        text: `${row.label}: ${done}/${total} windows`,
      }),
    );
  } finally {
    base.close();
    other.close();
    progress.end();
  }
  if (flags.outputPath !== undefined) await writeColumns(flags.outputPath, row.label, columns);
  progress.event(
    `${row.label}: ${windows.scored} tokens in ${formatDuration(performance.now() - startMs)}`,
  );
  return { row, linearBitsPerWeight, summary: summarizeDivergence(columns) };
}

async function writeColumns(
  folder: string,
  label: string,
  columns: DivergenceColumns,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lists = Object.entries(columns).map(
    ([name, values]) => `${JSON.stringify(name)}: [${values.join(", ")}]`,
  );
  await writeFile(join(folder, `divergence_${label}.json`), `{\n${lists.join(",\n")}\n}\n`);
}
