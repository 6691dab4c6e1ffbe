/** The published run (Llama-3.1-8B-Instruct on vLLM, four GPUs) as runs that load like any other. */
import { hashOf } from "./canonical-json.ts";
import { type CellKey, type CellResult, type Manifest, type Run, runSchemaVersion } from "./run.ts";

const source =
  "published comparison of Llama-3.1-8B-Instruct served by vLLM in BF16, FP8 and AWQ-INT4 on a university Slurm cluster";

const notes = [
  "Accuracy was not measured: the GSM8K data set was not on the offline nodes.",
  "The AWQ row was started with --quantization awq, which forces the plain kernel; the default (Marlin) kernel was not measured.",
  "Time per token is the latency of a 128-token run divided by 128: the prompt of 512 tokens is in it.",
  "Whether the offline figure counts prompt tokens is not said.",
  "Weight sizes are the source's round figures, not measurements.",
  "One value a cell: no repeats, no spread.",
];

/** Published figures of one row on one device; what was not measured is absent. */
interface Row {
  readonly label: string;
  readonly weightGb?: number;
  readonly msPerToken: number;
  readonly tokensPerSecond?: number;
  /** One value a repeat: the BF16 row of the H100 was published twice. */
  readonly offline: readonly number[];
  readonly serving: readonly {
    readonly outputTokensPerSecond: number;
    readonly ttftMs?: number;
    readonly itlMs?: number;
  }[];
}

interface PublishedDevice {
  /** Name in roofline/devices.ts. */
  readonly device: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

const published: readonly PublishedDevice[] = [
  {
    device: "h100-sxm",
    title: "NVIDIA H100 SXM5 80 GB",
    rows: [
      {
        label: "bf16",
        weightGb: 16,
        msPerToken: 7.07,
        tokensPerSecond: 141.5,
        offline: [11_304, 11_316],
        serving: [
          { outputTokensPerSecond: 481.2, ttftMs: 945, itlMs: 7.39 },
          { outputTokensPerSecond: 518.7 },
        ],
      },
      {
        label: "fp8",
        weightGb: 8,
        msPerToken: 4.88,
        tokensPerSecond: 205,
        offline: [12_903],
        serving: [{ outputTokensPerSecond: 507.4, ttftMs: 656, itlMs: 5.12 }],
      },
      {
        label: "awq-plain",
        weightGb: 4,
        msPerToken: 4.4,
        tokensPerSecond: 227,
        offline: [7_643],
        serving: [{ outputTokensPerSecond: 470.8, ttftMs: 4_617, itlMs: 36.08 }],
      },
    ],
  },
  {
    device: "h200",
    title: "NVIDIA H200 SXM 141 GB",
    rows: [
      {
        label: "bf16",
        msPerToken: 5.87,
        offline: [11_981],
        serving: [{ outputTokensPerSecond: 599.32 }],
      },
    ],
  },
  {
    device: "a100-pcie",
    title: "NVIDIA A100 PCIe 80 GB",
    rows: [{ label: "bf16", msPerToken: 11.98, offline: [8_148], serving: [] }],
  },
  {
    device: "l40s",
    title: "NVIDIA L40S 48 GB",
    rows: [
      {
        label: "bf16",
        msPerToken: 22.21,
        offline: [4_047],
        serving: [{ outputTokensPerSecond: 500.24 }],
      },
    ],
  },
];

/** Formats of the labels; the AWQ label says which kernel ran. */
const formatOf: Readonly<Record<string, string>> = { bf16: "bf16", fp8: "fp8", "awq-plain": "awq" };

/** Counts of Llama-3.1-8B, from its published configuration: layouts that vLLM loads. */
const shared = {
  parameters: 8_030_261_248,
  embeddingRowBytes: 8192,
  kvBytesPerToken: 131_072,
  linearFlopsPerToken: 13_958_643_712,
  headFlopsPerLogitRow: 1_050_673_152,
  attentionFlopsPerPair: 524_288,
};
const otherBytes = { embeddingBytes: 1_050_673_152, headBytes: 1_050_673_152, normBytes: 532_480 };

function trafficWith(
  format: string,
  operands: "bf16" | "fp8",
  linearBytes: number,
): NonNullable<Manifest["traffic"]>[string] {
  const { embeddingBytes, headBytes, normBytes } = otherBytes;
  return {
    ...shared,
    format,
    operands,
    weights: {
      linearBytes,
      ...otherBytes,
      totalBytes: linearBytes + embeddingBytes + headBytes + normBytes,
      linearBitsPerWeight: (16 * linearBytes) / shared.linearFlopsPerToken,
    },
    stepWeightBytes: linearBytes + headBytes + normBytes,
  };
}

const traffic: Readonly<Record<string, NonNullable<Manifest["traffic"]>[string]>> = {
  bf16: trafficWith("bf16", "bf16", 13_958_643_712),
  // One FP32 scale for each of the 224 linears.
  fp8: trafficWith("fp8", "fp8", 6_979_321_856 + 224 * 4),
  "awq-plain": trafficWith("awq", "bf16", 3_625_975_808),
};

function key(format: string, experiment: string, setting: string, repeat = 0): CellKey {
  return { format, experiment, setting, repeat };
}

function cell(
  cellKey: CellKey,
  figures: Readonly<Record<string, number | undefined>>,
  skipped?: string,
): CellResult {
  const known = Object.entries(figures).filter(
    (entry): entry is [string, number] => entry[1] !== undefined,
  );
  return {
    quantlab: {
      key: cellKey,
      status: skipped === undefined ? "done" : "skipped",
      ...(skipped === undefined ? {} : { reason: skipped }),
      startedAt: "",
      durationMs: 0,
      validity: { valid: true, reasons: [] },
      figures: Object.fromEntries(known),
    },
  };
}

function cellsOf(row: Row): CellResult[] {
  const { label } = row;
  const weightBytes = row.weightGb === undefined ? undefined : row.weightGb * 1e9;
  return [
    cell(key(label, "latency", "batch-1"), {
      msPerTokenMedian: row.msPerToken,
      outputTokensPerSecond: row.tokensPerSecond ?? 1000 / row.msPerToken,
    }),
    ...row.offline.map((value, repeat) =>
      cell(key(label, "throughput", "requests-200", repeat), { offlineTokensPerSecond: value }),
    ),
    ...row.serving.map((figures, repeat) =>
      cell(key(label, "serving", "rate-4", repeat), {
        outputTokensPerSecond: figures.outputTokensPerSecond,
        ttftMsMedian: figures.ttftMs,
        itlMsMedian: figures.itlMs,
      }),
    ),
    ...(weightBytes === undefined ? [] : [cell(key(label, "memory", "loaded"), { weightBytes })]),
    cell(key(label, "accuracy", "gsm8k"), {}, "not measured: the data set was not on the nodes"),
  ];
}

function runOf({ device, title, rows }: PublishedDevice): Run {
  const results = rows.flatMap(cellsOf);
  const config = {
    profile: "published",
    model: "meta-llama/Llama-3.1-8B-Instruct",
    target: "vllm",
    formats: rows.map(({ label }) => ({ label, format: formatOf[label] ?? label })),
    experiments: { latency: { inputLen: 512, outputLen: 128 } },
  };
  const manifest: Manifest = {
    schemaVersion: runSchemaVersion,
    quantlabVersion: "published",
    createdAt: "",
    config,
    configHash: hashOf(config),
    machine: {
      cpuModel: title,
      cores: 0,
      memoryBytes: 0,
      os: "",
      node: "",
      isa: "",
      features: [],
      threads: 0,
      readBandwidthBytesPerSecond: 0,
      bf16FlopsPerSecond: 0,
    },
    cells: results.map(({ quantlab }) => quantlab.key),
    requestHashes: {},
    seed: 0,
    traffic: Object.fromEntries(
      rows.flatMap(({ label }) => {
        const entry = traffic[label];
        return entry === undefined ? [] : [[label, entry]];
      }),
    ),
    published: { source, device, notes },
  };
  return { folder: `reference:${device}`, manifest, results };
}

/** One run per device; the first, an H100, is the only one with all three formats. */
export const referenceRuns: readonly Run[] = published.map(runOf);
