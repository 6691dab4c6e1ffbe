/** One cell of `bench attention`, in a process of its own: the builds take turns, call by call. */
import { createRequire } from "node:module";
import { z } from "zod";
import type { BatchHandle, BufferHandle, Kernels, KvCacheHandle } from "../kernels/binding.ts";
import { attend, fromBf16, throughFp8Cache } from "../kernels/reference.ts";
import { quantile } from "../metrics/quantile.ts";

export const attentionCellSchema = z.object({
  shape: z.string(),
  heads: z.number(),
  kvHeads: z.number(),
  headDim: z.number(),
  dtype: z.enum(["bf16", "fp8"]),
  phase: z.enum(["decode", "prefill"]),
  /** Tokens of each sequence, those of this step included. */
  context: z.number(),
  sequences: z.number(),
  threads: z.number(),
  repeats: z.number(),
  /** Paths of the addons under test, ours first. */
  addons: z.array(z.string()),
});
export type AttentionCell = z.infer<typeof attentionCellSchema>;

export const attentionResultSchema = z.object({
  /** Of each build, for one layer: medians over calls, with the quartiles. */
  builds: z.array(z.object({ medianMs: z.number(), lowMs: z.number(), highMs: z.number() })),
  calls: z.number(),
  /** Keys and values of the contexts in one layer. */
  kvBytes: z.number(),
  /** Of causal attention: what lies behind a query is not counted. */
  flop: z.number(),
  /** Of a prompt's last row in the first head: largest error over the largest value, against FP64. */
  error: z.number().optional(),
  readBytesPerSecond: z.number(),
  flopPerSecond: z.number(),
});
export type AttentionResult = z.infer<typeof attentionResultSchema>;

/** The layers' caches take this together, so that a decode finds its own in memory. */
const coldBytes = 200e6;
const mostLayers = 64;
const blockSize = 16;
const fillRows = 512;
const probeBytes = 1 << 29;
const probeMs = 100;
/** A cell is cut short beyond this. */
const longestMs = 4000;

interface Build {
  readonly kernels: Kernels;
  readonly cache: KvCacheHandle;
  readonly batch: BatchHandle;
  readonly qkv: BufferHandle;
  readonly out: BufferHandle;
  readonly times: number[];
}

const rowsOf = ({ phase, context }: AttentionCell) => (phase === "decode" ? 1 : context);
const columnsOf = ({ heads, kvHeads, headDim }: AttentionCell) => (heads + 2 * kvHeads) * headDim;
const blocksOf = ({ context }: AttentionCell) => Math.ceil(context / blockSize);

function kvBytesOf({ sequences, context, kvHeads, headDim, dtype }: AttentionCell): number {
  return 2 * sequences * context * kvHeads * headDim * (dtype === "bf16" ? 2 : 1);
}

function layersOf(cell: AttentionCell): number {
  if (cell.phase === "prefill") return 1;
  return Math.min(mostLayers, Math.max(1, Math.ceil(coldBytes / kvBytesOf(cell))));
}

/** The last `rows` tokens of each context, or of its first `end` tokens. */
function setStep(
  kernels: Kernels,
  batch: BatchHandle,
  cell: AttentionCell,
  end: number,
  rows: number,
) {
  const { sequences } = cell;
  const blocks = blocksOf(cell);
  const place = (i: number) => ({
    sequence: Math.floor(i / rows),
    position: end - rows + (i % rows),
  });
  const of = (value: (sequence: number, position: number) => number) =>
    Int32Array.from({ length: sequences * rows }, (_, i) => {
      const { sequence, position } = place(i);
      return value(sequence, position);
    });
  // Blocks of all sequences are dealt out in turn, as a busy server's pool does.
  const blockOf = (sequence: number, index: number) => index * sequences + sequence;
  kernels.setBatch(
    batch,
    of(() => 0),
    of((_, position) => position),
    of((sequence, position) => {
      const block = blockOf(sequence, Math.floor(position / blockSize));
      return block * blockSize + (position % blockSize);
    }),
    Int32Array.from(
      Array.from({ length: sequences }, (_, i) => [i * rows, rows, end, i * blocks]).flat(),
    ),
    Int32Array.from({ length: sequences * blocks }, (_, i) =>
      blockOf(Math.floor(i / blocks), i % blocks),
    ),
    new Int32Array(0),
  );
}

function prepare(path: string, cell: AttentionCell): Build {
  const kernels = createRequire(import.meta.url)(path) as Kernels;
  kernels.setThreads(cell.threads);
  const { heads, kvHeads, headDim, dtype, context, sequences } = cell;
  const layers = layersOf(cell);
  const blocks = sequences * blocksOf(cell);
  const cache = kernels.createKvCache(layers, blocks, blockSize, kvHeads, headDim, { dtype });
  const batch = kernels.createBatch();
  // Frequencies of 0 turn nothing: keys are what fillNormal gave.
  const rope = kernels.createRopeTable(new Float32Array(headDim / 2), context);
  const rows = Math.max(rowsOf(cell), Math.min(context, fillRows));
  const qkv = kernels.createBuffer("bf16", sequences * rows * columnsOf(cell));
  for (let end = Math.min(context, rows); end <= context; end = nextEnd(end, rows, context)) {
    const count = Math.min(rows, end);
    const patterns = new Uint16Array(sequences * count * columnsOf(cell));
    kernels.fillNormal(patterns, 1, end, 1);
    kernels.writeBuffer(qkv, 0, patterns);
    setStep(kernels, batch, cell, end, count);
    for (let layer = 0; layer < layers; layer++) {
      kernels.ropeAndCache(qkv, batch, rope, cache, layer, heads, undefined);
    }
  }
  setStep(kernels, batch, cell, context, rowsOf(cell));
  const out = kernels.createBuffer("bf16", sequences * rowsOf(cell) * heads * headDim);
  return { kernels, cache, batch, qkv, out, times: [] };
}

/** The last step may overlap the one before, but none is skipped. */
function nextEnd(end: number, rows: number, context: number): number {
  return end === context ? context + 1 : Math.min(end + rows, context);
}

function call(build: Build, cell: AttentionCell, index: number): void {
  const { kernels, qkv, batch, cache, out } = build;
  const layer = index % layersOf(cell);
  const startMs = performance.now();
  kernels.attention(qkv, batch, cache, layer, cell.heads, out);
  build.times.push(performance.now() - startMs);
}

/** A decode's keys are no longer at hand; the kernels' tests hold it against the reference. */
function sampledError(build: Build, cell: AttentionCell): number | undefined {
  const { kernels, qkv, out } = build;
  const { heads, headDim, context, dtype } = cell;
  if (cell.phase === "decode") return undefined;
  const columns = columnsOf(cell);
  const values = Float64Array.from(kernels.readBuffer(qkv, 0, context * columns), fromBf16);
  const read = (x: number) => (dtype === "fp8" ? throughFp8Cache(x, 1) : x);
  const part = (row: number, head: number) =>
    Array.from(
      values.subarray(row * columns + head * headDim, row * columns + (head + 1) * headDim),
    );
  const all = (head: number) =>
    Array.from({ length: context }, (_, row) => part(row, head).map(read));
  const expected = attend(part(context - 1, 0), all(heads), all(heads + cell.kvHeads));
  const offset = (context - 1) * heads * headDim;
  const actual = Float64Array.from(kernels.readBuffer(out, offset, headDim), fromBf16);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((x, i) => Math.abs(x - (actual[i] ?? Number.NaN)))) / largest;
}

/** Measures a cell. The first build is the one whose error and ceilings are reported. */
export function measureAttention(cell: AttentionCell): AttentionResult {
  const builds = cell.addons.map((path) => prepare(path, cell));
  // Once each unmeasured: pages, scratch memory and the pool's threads come into being.
  for (const build of builds) call(build, cell, 0);
  for (const build of builds) build.times.length = 0;
  const endMs = performance.now() + longestMs;
  for (let i = 0; i < cell.repeats && (i < 5 || performance.now() < endMs); i++) {
    const order = i % 2 === 0 ? builds : [...builds].reverse();
    for (const build of order) call(build, cell, i + 1);
  }
  const [ours] = builds;
  if (ours === undefined) throw new TypeError("a cell without an addon");
  const { heads, headDim, sequences, context, phase } = cell;
  const pairs = phase === "decode" ? context : (context * (context + 1)) / 2;
  const at = (times: readonly number[], q: number) => quantile(times, q) ?? Number.NaN;
  return {
    builds: builds.map(({ times }) => ({
      medianMs: at(times, 0.5),
      lowMs: at(times, 0.25),
      highMs: at(times, 0.75),
    })),
    calls: ours.times.length,
    kvBytes: kvBytesOf(cell),
    flop: 4 * sequences * heads * headDim * pairs,
    error: sampledError(ours, cell),
    readBytesPerSecond: ours.kernels.probeReadBandwidth(probeBytes, 5),
    flopPerSecond: ours.kernels.probePeakFlops("bf16", probeMs),
  };
}
