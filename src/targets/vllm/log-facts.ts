/** What vLLM's own log says of a server: patterns as data, in the wordings of every version we know. */

/** undefined means that the log does not say. */
export interface LogFacts {
  readonly version: string | undefined;
  /** From the dumped configuration: "cuda", "cpu". */
  readonly device: string | undefined;
  /** The quantization method in effect, which may differ from the one asked for. */
  readonly quantization: string | undefined;
  /** Kernels as the log names them, in order, once each: "MarlinLinearKernel". */
  readonly kernels: readonly string[];
  readonly attentionBackend: string | undefined;
  /** Weights of all ranks together. */
  readonly weightBytes: number | undefined;
  readonly checkpointBytes: number | undefined;
  /** Free for the KV cache, all ranks together. */
  readonly kvCacheBytes: number | undefined;
  readonly kvCacheTokens: number | undefined;
  /** Sequences of the longest length that fit the KV cache. */
  readonly maxConcurrency: number | undefined;
  readonly cudaGraphs: "captured" | "off" | undefined;
  readonly cudaGraphBytes: number | undefined;
  readonly loadSeconds: number | undefined;
  readonly engineInitSeconds: number | undefined;
  /** FP8 weights without FP8 arithmetic, as on Ampere. */
  readonly isWeightOnlyFp8: boolean;
  readonly chunkedPrefillTokens: number | undefined;
  readonly warnings: readonly string[];
}

const gib = 2 ** 30;
const unitBytes: Readonly<Record<string, number>> = { GiB: gib, GB: 1e9, MiB: 2 ** 20, MB: 1e6 };

/** Old logs print GB and mean GiB: they divide by 2^30. */
function bytesOf(amount: string | undefined, unit: string | undefined): number | undefined {
  if (amount === undefined) return undefined;
  return Math.round(Number(amount) * (unitBytes[unit === "GB" ? "GiB" : (unit ?? "GiB")] ?? gib));
}

/** Each pattern is looked for anywhere in a line: what stands before it differs by version. */
const patterns = {
  version: [
    /(?:Initializing an?(?: V\d)? LLM engine|vLLM API server version|API server version)\s*\(?v?(\d+\.\d+[^\s),]*)/i,
    /\bversion\s+(\d+\.\d+\.\d+\S*)/,
  ],
  device: [/\bdevice_config=(?:device\()?['"]?([a-z]+)/i, /Automatically detected platform (\w+)/i],
  quantization: [/\bquantization=([A-Za-z0-9_-]+)/],
  attention: [
    /Using (?!Flash Attention)(\w+) attention backend/i,
    /Using (Flash Attention|FlashInfer|XFormers|Torch SDPA|Triton\w*) backend/i,
  ],
  weights: [/(?:Model loading took|Loading model weights took)\s+([\d.]+)\s*(GiB|GB|MiB)/i],
  checkpoint: [/Checkpoint size:\s*([\d.]+)\s*(GiB|GB|MiB)/i],
  kvBytes: [
    /Available KV cache memory:\s*([\d.]+)\s*(GiB|GB|MiB)/i,
    /Explicitly set \(([\d.]+)\/[\d.]+\) (GiB) for KV cache/i,
  ],
  kvTokens: [/\bKV cache size:\s*([\d,]+)\s*tokens/i],
  /** The engine before V1 counts blocks, of 16 tokens by default. */
  gpuBlocks: [/# (?:GPU|cuda) blocks:\s*(\d+)/i],
  blockSize: [/\bblock_size=(\d+)/],
  concurrency: [/Maximum concurrency for [\d,]+ tokens per request:\s*([\d.]+)x/i],
  graphs: [/Graph capturing finished in [\d.]+ secs?, took ([\d.]+)\s*(GiB|GB|MiB)/i],
  loading: [/Loading weights took\s+([\d.]+)\s*s/i],
  init: [/init engine \(.*\) took\s+([\d.]+)\s*s/i],
  chunked: [/Chunked prefill is enabled with max_num_batched_tokens=(\d+)/i],
} as const;

const kernelPatterns: readonly RegExp[] = [
  /\bSelected (\w+) for \w+/,
  /\bUsing (\w*(?:Kernel|LinearMethod|LinearKernel)) for \w+/,
  /\bUsing (\w+(?:Kernel|Marlin\w*)) for mixed-precision linear/,
  /\bUsing (\w+) for (?:MXFP8|MXFP4|NVFP4) GEMM/,
];

/** Method lines that name a kernel only by its method. */
const methodNotes: readonly { pattern: RegExp; kernel: string }[] = [
  { pattern: /quantization=awq explicitly, so forcing awq\b/, kernel: "awq (plain GEMM, forced)" },
  { pattern: /convertible to awq_marlin during runtime/, kernel: "awq_marlin" },
  { pattern: /convertible to gptq_marlin during runtime/, kernel: "gptq_marlin" },
];

const weightOnlyFp8 =
  /does not have native support for FP8.*[Ww]eight-only|[Ww]eight-only FP8 compression will be used/;
const eager = /\benforce_eager=True\b|Cudagraph is disabled under eager mode/;

/** The first match of the first pattern that matches any line, so that a later restart cannot override. */
function first(lines: readonly string[], list: readonly RegExp[]): RegExpExecArray | undefined {
  for (const pattern of list) {
    for (const line of lines) {
      const match = pattern.exec(line);
      if (match !== null) return match;
    }
  }
  return undefined;
}

/** One line per rank, so all of them count. */
function sumOfRanks(lines: readonly string[], list: readonly RegExp[]): number | undefined {
  const found = lines.flatMap((line) => {
    const match = first([line], list);
    const bytes = bytesOf(match?.[1], match?.[2]);
    return bytes === undefined ? [] : [bytes];
  });
  return found.length === 0 ? undefined : found.reduce((sum, bytes) => sum + bytes, 0);
}

function numberIn(match: RegExpExecArray | undefined): number | undefined {
  const text = match?.[1];
  return text === undefined ? undefined : Number(text.replaceAll(",", ""));
}

const defaultBlockSize = 16;

function tokensOfBlocks(lines: readonly string[]): number | undefined {
  const blocks = numberIn(first(lines, patterns.gpuBlocks));
  const size = numberIn(first(lines, patterns.blockSize)) ?? defaultBlockSize;
  return blocks === undefined ? undefined : blocks * size;
}

function kernelsIn(lines: readonly string[]): string[] {
  const found = new Set<string>();
  for (const line of lines) {
    for (const { pattern, kernel } of methodNotes) if (pattern.test(line)) found.add(kernel);
    const kernel = first([line], kernelPatterns)?.[1];
    if (kernel !== undefined) found.add(kernel);
  }
  return [...found];
}

const warningLine = /\bWARNING\b/;

/** Facts of one start's log. @param log of one server from its first line */
export function factsOfLog(log: string): LogFacts {
  const lines = log.split("\n");
  const graphs = first(lines, patterns.graphs);
  const quantization = first(lines, patterns.quantization)?.[1];
  const hasGraphs = graphs !== undefined;
  return {
    version: first(lines, patterns.version)?.[1],
    device: first(lines, patterns.device)?.[1],
    quantization: quantization === "None" ? undefined : quantization,
    kernels: kernelsIn(lines),
    attentionBackend: first(lines, patterns.attention)?.[1],
    weightBytes: sumOfRanks(lines, patterns.weights),
    checkpointBytes: positive(sumOfRanks(lines, patterns.checkpoint)),
    kvCacheBytes: sumOfRanks(lines, patterns.kvBytes),
    kvCacheTokens: numberIn(first(lines, patterns.kvTokens)) ?? tokensOfBlocks(lines),
    maxConcurrency: numberIn(first(lines, patterns.concurrency)),
    cudaGraphs: hasGraphs ? "captured" : lines.some((line) => eager.test(line)) ? "off" : undefined,
    cudaGraphBytes: bytesOf(graphs?.[1], graphs?.[2]),
    loadSeconds: numberIn(first(lines, patterns.loading)),
    engineInitSeconds: numberIn(first(lines, patterns.init)),
    isWeightOnlyFp8: lines.some((line) => weightOnlyFp8.test(line)),
    chunkedPrefillTokens: numberIn(first(lines, patterns.chunked)),
    warnings: [...new Set(lines.filter((line) => warningLine.test(line)).map(withoutPrefix))],
  };
}

/** A checkpoint below the last printed digit reads 0.00 GiB: that is not a size. */
function positive(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

/** A log line without process tag, level, time and source line. */
export function withoutPrefix(line: string): string {
  return line
    .replace(/^(\([\w-]+(?: [\w-]+)* pid=\d+\)\s*)+/, "")
    .replace(/^(?:INFO|WARNING|ERROR|DEBUG)\s+\d\d-\d\d \d\d:\d\d:\d\d\s+/, "")
    .replace(/^\[?[\w./-]+\.py:\d+\]\s*/, "");
}
