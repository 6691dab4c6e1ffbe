/** Runs made of formulas, for tests of analysis and report: clearly synthetic, never a measurement. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RequestRecord } from "../src/metrics/record.ts";
import type { Run } from "../src/results/run.ts";
import { type CellResult, type Manifest, runSchemaVersion } from "../src/results/run.ts";
import { hashOf } from "../src/results/canonical-json.ts";
import { recordsFile, RunStore } from "../src/results/store.ts";
import { modelTraffic } from "../src/roofline/traffic.ts";

export interface SyntheticRow {
  readonly label: string;
  readonly format: string;
  readonly bitsPerWeight: number;
  /** Milliseconds of a decode step by batch size. */
  readonly stepMs: (batch: number) => number;
}

const shape = {
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  vocabSize: 49152,
  tieWordEmbeddings: true,
  qkvBias: false,
  qkNorm: false,
};

export const syntheticRows: readonly SyntheticRow[] = [
  { label: "bf16", format: "bf16", bitsPerWeight: 16, stepMs: (b) => 10 + 0.2 * b },
  { label: "fp8", format: "fp8", bitsPerWeight: 8, stepMs: (b) => 6 + 0.22 * b },
  // Catches up with bf16 at batch 25.
  { label: "awq", format: "awq", bitsPerWeight: 4.3125, stepMs: (b) => 5 + 0.4 * b },
];

export interface SyntheticOptions {
  readonly rows?: readonly SyntheticRow[];
  readonly repeats?: number;
  readonly batches?: readonly number[];
  readonly rates?: readonly string[];
  /** A factor on every time, by repeat. */
  readonly noise?: (repeat: number) => number;
  readonly config?: Readonly<Record<string, unknown>>;
}

function cell(
  label: string,
  experiment: string,
  setting: string,
  repeat: number,
  figures: Record<string, number>,
): CellResult {
  return {
    quantlab: {
      key: { format: label, experiment, setting, repeat },
      status: "done",
      startedAt: "2026-01-01T00:00:00Z",
      durationMs: 1000,
      validity: { valid: true, reasons: [] },
      figures,
    },
  };
}

function cellsOf(row: SyntheticRow, repeat: number, options: SyntheticOptions): CellResult[] {
  const { batches = [1, 4, 16, 64], rates = ["1", "inf"], noise = () => 1 } = options;
  const factor = noise(repeat);
  const alone = row.stepMs(1) * factor;
  const { label } = row;
  return [
    cell(label, "latency", "batch-1", repeat, {
      msPerTokenMedian: alone,
      msPerTokenP90: alone * 1.1,
      msPerTokenP99: alone * 1.3,
      ttftMsMedian: alone * 8,
      outputTokensPerSecond: 1000 / alone,
    }),
    ...batches.map((batch) =>
      cell(label, "throughput", `batch-${batch}`, repeat, {
        outputTokensPerSecond: (1000 * batch) / (row.stepMs(batch) * factor),
        msPerTokenMedian: row.stepMs(batch) * factor,
      }),
    ),
    ...rates.map((rate, index) => ({
      completed: 40,
      total_input_tokens: 40 * 64,
      total_output_tokens: 40 * 32,
      ...cell(label, "serving", `rate-${rate}`, repeat, {
        ttftMsMedian: alone * 10 * (index + 1) ** 2,
        ttftMsP99: alone * 30 * (index + 1) ** 2,
        itlMsMedian: row.stepMs(4 * (index + 1)) * factor,
        itlMsP99: row.stepMs(4 * (index + 1)) * factor * 2,
        outputTokensPerSecond: 100 * (index + 1),
      }),
    })),
  ];
}

function memoryCell(row: SyntheticRow): CellResult {
  const { weights, kvBytesPerToken } = trafficOf(row);
  return cell(row.label, "memory", "loaded", 0, {
    weightBytes: weights.totalBytes,
    linearBitsPerWeight: weights.linearBitsPerWeight,
    kvBytesPerToken,
    kvCacheBytes: 64e6,
    residentBytes: weights.totalBytes + 200e6,
    peakResidentBytes: weights.totalBytes + 250e6,
  });
}

function trafficOf(row: SyntheticRow): NonNullable<Manifest["traffic"]>[string] {
  return modelTraffic(shape, { name: row.format, bitsPerWeight: () => row.bitsPerWeight }, {});
}

function skippedAccuracy(label: string): CellResult {
  const result = cell(label, "accuracy", "gsm8k", 0, {});
  const reason = "this checkpoint is not trained";
  return { quantlab: { ...result.quantlab, status: "skipped", reason } };
}

export function syntheticRun(options: SyntheticOptions = {}): Run {
  const { rows = syntheticRows, repeats = 1 } = options;
  const results = [
    ...Array.from({ length: repeats }, (_, repeat) =>
      rows.flatMap((row) => cellsOf(row, repeat, options)),
    ).flat(),
    ...rows.flatMap((row) => [memoryCell(row), skippedAccuracy(row.label)]),
  ];
  const config = {
    profile: "synthetic",
    model: "dummy:smollm2-135m",
    target: "embedded",
    formats: rows.map(({ label, format }) => ({ label, format })),
    experiments: {
      latency: { inputLen: 64, outputLen: 32 },
      throughput: { inputLen: 64, outputLen: 32, batchSizes: options.batches ?? [1, 4, 16, 64] },
    },
    ...options.config,
  };
  const manifest: Manifest = {
    schemaVersion: runSchemaVersion,
    quantlabVersion: "0.0.0-synthetic",
    createdAt: "2026-01-01T00:00:00Z",
    config,
    configHash: hashOf(config),
    machine: {
      cpuModel: "Synthetic CPU",
      cores: 2,
      memoryBytes: 16e9,
      os: "test",
      node: "v20.0.0",
      isa: "avx512",
      features: ["avx512f"],
      threads: 2,
      readBandwidthBytesPerSecond: 34e9,
      bf16FlopsPerSecond: 500e9,
    },
    cells: results.map(({ quantlab }) => quantlab.key),
    requestHashes: { "throughput/batch-1": "0123abcd" },
    seed: 1,
    traffic: Object.fromEntries(rows.map((row) => [row.label, trafficOf(row)])),
  };
  return { folder: "/runs/synthetic", manifest, results };
}

/** A run on disk, as `quantlab run` would leave it. */
export async function writeRun(run: Run, folder: string): Promise<void> {
  const store = await RunStore.create(folder, run.manifest);
  for (const result of run.results) {
    const { key, figures } = result.quantlab;
    if (key.experiment === "serving") {
      const path = join(await store.startCell(key), recordsFile);
      const lines = recordsOf(figures, key.setting === "rate-inf" ? 0 : 1000);
      await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    await store.writeResult(result);
  }
  await store.close();
}

/** Forty requests whose medians are the cell's figures. */
function recordsOf(
  { ttftMsMedian = 1, itlMsMedian = 1 }: Readonly<Record<string, number>>,
  everyMs: number,
): RequestRecord[] {
  return Array.from({ length: 40 }, (_, index) => {
    const spread = 0.5 + index / 40;
    const sentMs = index * everyMs;
    const firstMs = sentMs + ttftMsMedian * spread;
    const tokenTimesMs = Array.from(
      { length: 32 },
      (_, token) => firstMs + token * itlMsMedian * (0.75 + ((index * 7 + token * 3) % 11) / 20),
    );
    const doneMs = (tokenTimesMs.at(-1) ?? firstMs) + 0.2;
    return {
      index,
      intendedMs: sentMs,
      sentMs,
      firstByteMs: firstMs,
      tokenTimesMs: tokenTimesMs.toSorted((a, b) => a - b),
      doneMs,
      promptTokens: 64,
      outputTokens: 32,
      outputTokensSource: "usage",
      requestedOutputTokens: 32,
      finishReason: "length",
      error: undefined,
    };
  });
}
