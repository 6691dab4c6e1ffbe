/** One cell of `bench kernels`, in a process of its own: the builds take turns, call by call. */
import { createRequire } from "node:module";
import { z } from "zod";
import { quantile } from "../metrics/quantile.ts";
import { decodeBf16 } from "../formats/float16.ts";
import type { FormatOptions } from "../formats/format.ts";
import { formatByName } from "../formats/registry.ts";
import type { BufferHandle, Kernels, WeightHandle } from "../kernels/binding.ts";

export const cellSchema = z.object({
  format: z.string(),
  name: z.string(),
  rows: z.number(),
  columns: z.number(),
  m: z.number(),
  groupSize: z.number().optional(),
  granularity: z.literal("block").optional(),
  threads: z.number(),
  repeats: z.number(),
  /** Paths of the addons under test, ours first. */
  addons: z.array(z.string()),
});
export type KernelCell = z.infer<typeof cellSchema>;

export const cellResultSchema = z.object({
  /** Of each build: medians over calls, with the quartiles. */
  builds: z.array(z.object({ medianMs: z.number(), lowMs: z.number(), highMs: z.number() })),
  calls: z.number(),
  weightBytes: z.number(),
  flop: z.number(),
  /** Largest error of sampled outputs, over the sum of the magnitudes that were added. */
  error: z.number(),
  readBytesPerSecond: z.number(),
  flopPerSecond: z.number(),
});
export type KernelCellResult = z.infer<typeof cellResultSchema>;

/** Weights of a cell are this many bytes together, so that each call finds its own in memory. */
const coldBytes = 400e6;
const mostCopies = 64;
const sampledRows = 16;
const probeBytes = 1 << 29;
const probeMs = 100;
/** A cell is cut short beyond this. */
const longestMs = 4000;

interface Build {
  readonly kernels: Kernels;
  readonly weights: readonly WeightHandle[];
  readonly x: BufferHandle;
  readonly out: BufferHandle;
  readonly times: number[];
}

function optionsOf({ groupSize, granularity }: KernelCell): FormatOptions {
  return {
    ...(groupSize === undefined ? {} : { groupSize }),
    ...(granularity === undefined ? {} : { granularity }),
  };
}

function prepare(path: string, cell: KernelCell, values: Uint16Array, x: Uint16Array): Build {
  const kernels = createRequire(import.meta.url)(path) as Kernels;
  kernels.setThreads(cell.threads);
  const { format, rows, columns, m } = cell;
  const options = cell.groupSize === undefined ? {} : { groupSize: cell.groupSize };
  const weights: WeightHandle[] = [];
  do {
    weights.push(kernels.quantizeWeight(format, rows, columns, values, options));
  } while (kernels.memory().weightBytes < coldBytes && weights.length < mostCopies);
  const input = kernels.createBuffer("bf16", x.length);
  kernels.writeBuffer(input, 0, x);
  return { kernels, weights, x: input, out: kernels.createBuffer("f32", m * rows), times: [] };
}

function call(build: Build, index: number, m: number): void {
  const weight = build.weights[index % build.weights.length];
  if (weight === undefined) return;
  const startMs = performance.now();
  build.kernels.linear(weight, build.x, m, build.out);
  build.times.push(performance.now() - startMs);
}

/** FP64 sums of dequantized weights and rounded activations, on some rows of the weight. */
function sampledError(build: Build, cell: KernelCell, x: Uint16Array): number {
  const { rows, columns, m } = cell;
  const weight = build.weights[0];
  if (weight === undefined) return Number.NaN;
  build.kernels.linear(weight, build.x, m, build.out);
  const out = build.kernels.readBuffer(build.out, 0, m * rows);
  const format = formatByName(cell.format);
  const options = optionsOf(cell);
  const activations = format.roundActivations?.(x, m, columns, options).values ?? decodeBf16(x);
  let worst = 0;
  for (let sample = 0; sample < Math.min(sampledRows, rows); sample++) {
    const row = Math.floor((sample * rows) / sampledRows);
    const values = build.kernels.dequantizeRow(weight, row);
    for (let i = 0; i < m; i += Math.max(1, Math.floor(m / 4))) {
      let sum = 0;
      let magnitude = 0;
      for (const [k, value] of values.entries()) {
        const product = value * (activations[i * columns + k] ?? 0);
        sum += product;
        magnitude += Math.abs(product);
      }
      worst = Math.max(worst, Math.abs((out[i * rows + row] ?? 0) - sum) / magnitude);
    }
  }
  return worst;
}

/** Of the products that the format multiplies by; awq's two digits of 8 bits take BF16's time. */
function peakOf(kernels: Kernels, format: string): number {
  const bytes = format === "int8" ? kernels.probePeakFlops("int8", probeMs) : 0;
  return bytes === 0 ? kernels.probePeakFlops("bf16", probeMs) : bytes;
}

/** Measures a cell. The first build is the one whose error and ceilings are reported. */
export function measureCell(cell: KernelCell): KernelCellResult {
  const { rows, columns, m } = cell;
  const first = createRequire(import.meta.url)(cell.addons[0] ?? "") as Kernels;
  const values = new Uint16Array(rows * columns);
  const x = new Uint16Array(m * columns);
  first.fillNormal(values, 1, 0, 0.02);
  first.fillNormal(x, 2, 0, 1);
  const builds = cell.addons.map((path) => prepare(path, cell, values, x));
  // Once each unmeasured: pages, scratch memory and the pool's threads come into being.
  for (const build of builds) call(build, 0, m);
  for (const build of builds) build.times.length = 0;
  const endMs = performance.now() + longestMs;
  for (let i = 0; i < cell.repeats && (i < 5 || performance.now() < endMs); i++) {
    const order = i % 2 === 0 ? builds : [...builds].reverse();
    for (const build of order) call(build, i + 1, m);
  }
  const [ours] = builds;
  if (ours === undefined) throw new TypeError("a cell without an addon");
  const at = (times: readonly number[], q: number) => quantile(times, q) ?? Number.NaN;
  return {
    builds: builds.map(({ times }) => ({
      medianMs: at(times, 0.5),
      lowMs: at(times, 0.25),
      highMs: at(times, 0.75),
    })),
    calls: ours.times.length,
    weightBytes: first.weightBytes(ours.weights[0] as WeightHandle),
    flop: 2 * m * rows * columns,
    error: sampledError(ours, cell, x),
    readBytesPerSecond: first.probeReadBandwidth(probeBytes, 5),
    flopPerSecond: peakOf(first, cell.format),
  };
}
