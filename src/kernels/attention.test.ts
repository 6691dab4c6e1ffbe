/** Paged attention against the reference: both caches, every instruction set, odd shapes and tails. */
import { describe, expect, test } from "vitest";
import type { KvElements, Kernels } from "./binding.ts";
import { loadEveryIsa } from "./every-isa.ts";
import { attend, fromBf16, throughFp8Cache } from "./reference.ts";

const variants = loadEveryIsa();
const firstKernels = variants[0]?.kernels;

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly blockSize: number;
  readonly elements: KvElements;
}

/** Tokens of a sequence's context, and how many of them are rows of the last step. */
interface Part {
  readonly context: number;
  readonly rows: number;
}

function normal(count: number, seed: number, std: number): Uint16Array {
  const patterns = new Uint16Array(count);
  firstKernels?.fillNormal(patterns, seed, 0, std);
  return patterns;
}

/** One row a token of all contexts, one sequence after another. */
function qkvOf(shape: Shape, parts: readonly Part[]): Uint16Array {
  const tokens = parts.reduce((sum, { context }) => sum + context, 0);
  return normal(tokens * columnsOf(shape), tokens + shape.headDim, 1.5);
}

const columnsOf = ({ heads, kvHeads, headDim }: Shape) => (heads + 2 * kvHeads) * headDim;
const blocksOf = ({ blockSize }: Shape, { context }: Part) => Math.ceil(context / blockSize);

/** Attention of the last step's rows; what came before is written to the cache in a step of its own. */
function run(kernels: Kernels, shape: Shape, parts: readonly Part[]): Float64Array {
  const { heads, kvHeads, headDim, blockSize, elements } = shape;
  const columns = columnsOf(shape);
  const qkv = qkvOf(shape, parts);
  const total = parts.reduce((sum, part) => sum + blocksOf(shape, part), 0);
  const layers = elements.keyScales?.length ?? 1;
  const layer = layers - 1;
  const cache = kernels.createKvCache(layers, total, blockSize, kvHeads, headDim, elements);
  // Zero frequencies: positions do not turn anything, and the cache holds what is given.
  const rope = kernels.createRopeTable(new Float32Array(headDim / 2), 4096);
  const batch = kernels.createBatch();
  let out = new Float64Array();
  for (const isLast of [false, true]) {
    const step = stepOf(shape, parts, isLast);
    if (step.rows.length === 0) continue;
    kernels.setBatch(
      batch,
      Int32Array.from(step.rows, () => 0),
      Int32Array.from(step.positions),
      Int32Array.from(step.slots),
      Int32Array.from(step.sequences),
      Int32Array.from(step.tables),
      new Int32Array(0),
    );
    const buffer = kernels.createBuffer("bf16", step.rows.length * columns);
    for (const [i, row] of step.rows.entries()) {
      kernels.writeBuffer(buffer, i * columns, qkv.slice(row * columns, (row + 1) * columns));
    }
    kernels.ropeAndCache(buffer, batch, rope, cache, layer, heads, undefined);
    if (!isLast) continue;
    const count = step.rows.length * heads * headDim;
    const target = kernels.createBuffer("bf16", count);
    kernels.attention(buffer, batch, cache, layer, heads, target);
    out = Float64Array.from(kernels.readBuffer(target, 0, count), fromBf16);
  }
  kernels.freeKvCache(cache);
  return out;
}

/** Rows of one step as setBatch wants them; blocks of all sequences are dealt out in turn. */
function stepOf(shape: Shape, parts: readonly Part[], isLast: boolean) {
  const { blockSize } = shape;
  const total = parts.reduce((sum, part) => sum + blocksOf(shape, part), 0);
  const step = {
    rows: [] as number[],
    positions: [] as number[],
    slots: [] as number[],
    sequences: [] as number[],
    tables: [] as number[],
  };
  let [firstToken, firstBlock] = [0, 0];
  for (const part of parts) {
    const { context, rows } = part;
    const blocks = blocksOf(shape, part);
    // From the last block to the first, so that the table is no identity.
    const table = Array.from({ length: blocks }, (_, i) => total - 1 - firstBlock - i);
    const [from, to] = isLast ? [context - rows, context] : [0, context - rows];
    if (to > from) {
      step.sequences.push(step.rows.length, to - from, to, step.tables.length);
      step.tables.push(...table);
    }
    for (let position = from; position < to; position++) {
      step.rows.push(firstToken + position);
      step.positions.push(position);
      const block = table[Math.floor(position / blockSize)] ?? -1;
      step.slots.push(block * blockSize + (position % blockSize));
    }
    firstToken += context;
    firstBlock += blocks;
  }
  return step;
}

/** What the cache gives back of the numbers met so far; the reference searches all codes for each. */
function cacheReader(isFp8: boolean, scale: number): (value: number) => number {
  const known = new Map<number, number>();
  return (value) => {
    if (!isFp8) return value;
    const found = known.get(value) ?? throughFp8Cache(value, scale);
    known.set(value, found);
    return found;
  };
}

interface Expected {
  readonly value: number;
  /** Sum of |weight * value|, and by how much FP32 may change a weight, relatively. */
  readonly magnitude: number;
  readonly relative: number;
}

const expectations = new Map<string, readonly Expected[]>();

/** The same for every instruction set, so computed once. */
function expectedOf(shape: Shape, parts: readonly Part[]): readonly Expected[] {
  const key = JSON.stringify([shape, shape.elements.keyScales?.at(-1), parts]);
  const known = expectations.get(key) ?? computeExpected(shape, parts);
  expectations.set(key, known);
  return known;
}

function computeExpected(shape: Shape, parts: readonly Part[]): readonly Expected[] {
  const { heads, kvHeads, headDim, elements } = shape;
  const columns = columnsOf(shape);
  const qkv = Float64Array.from(qkvOf(shape, parts), fromBf16);
  const isFp8 = elements.dtype === "fp8";
  const readKey = cacheReader(isFp8, elements.keyScales?.at(-1) ?? 1);
  const readValue = cacheReader(isFp8, elements.valueScales?.at(-1) ?? 1);
  const results: Expected[] = [];
  let firstToken = 0;
  for (const { context, rows } of parts) {
    const rowsOf = (head: number, read: (value: number) => number) =>
      Array.from({ length: context }, (_, i) => {
        const from = (firstToken + i) * columns + head * headDim;
        return Array.from(qkv.subarray(from, from + headDim), read);
      });
    for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
      const keys = rowsOf(heads + kvHead, readKey);
      const values = rowsOf(heads + kvHeads + kvHead, readValue);
      for (let position = context - rows; position < context; position++) {
        for (let head = 0; head < heads; head++) {
          if (Math.floor(head / (heads / kvHeads)) !== kvHead) continue;
          const from = (firstToken + position) * columns + head * headDim;
          const query = Array.from(qkv.subarray(from, from + headDim));
          const row = results.length;
          expectRow(query, keys.slice(0, position + 1), values.slice(0, position + 1), results);
          expect(results.length - row).toBe(headDim);
        }
      }
    }
    firstToken += context;
  }
  return results;
}

/** Appends one head's row of one token. */
function expectRow(
  query: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
  results: Expected[],
): void {
  const headDim = query.length;
  const expected = attend(query, keys, values);
  const absolute = values.map((value) => value.map(Math.abs));
  const magnitudes = attend(query, keys, absolute);
  const sums = keys.map((key) => key.reduce((sum, k, i) => sum + Math.abs(k * (query[i] ?? 0)), 0));
  const scores = ((headDim + 8) * 2 ** -24 * Math.max(...sums)) / Math.sqrt(headDim);
  const relative = 2 * scores + (keys.length + 64) * 2 ** -24;
  for (const [d, value] of expected.entries()) {
    results.push({ value, magnitude: magnitudes[d] ?? 0, relative });
  }
}

/** Largest error over the bound of FP32 sums and the BF16 result; infinite beyond it. */
function worstError(
  actual: Float64Array,
  shape: Shape,
  parts: readonly Part[],
  weightRounding: number,
): number {
  const { heads, kvHeads, headDim } = shape;
  const expected = expectedOf(shape, parts);
  expect(actual.length).toBe(expected.length);
  const grouped = heads / kvHeads;
  let worst = 0;
  let first = 0;
  let at = 0;
  for (const { rows } of parts) {
    // The expectations go through a sequence KV head by KV head, the output token by token.
    for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < grouped * headDim; i++, at++) {
          const place = first + (row * heads + kvHead * grouped) * headDim + i;
          const { value, magnitude, relative } = expected[at] ?? {
            value: 0,
            magnitude: 0,
            relative: 0,
          };
          const bound = Math.abs(value) * 2 ** -8 + magnitude * (relative + weightRounding) + 1e-30;
          const error = Math.abs((actual[place] ?? Number.NaN) - value);
          worst = Math.max(worst, error <= bound ? error / bound : Number.POSITIVE_INFINITY);
        }
      }
    }
    first += rows * heads * headDim;
  }
  return worst;
}

const bf16: KvElements = { dtype: "bf16" };
const plainFp8: KvElements = { dtype: "fp8" };
/** Odd scales, some of which make values saturate at 448. */
const scaledFp8: KvElements = {
  dtype: "fp8",
  keyScales: Float32Array.of(1, 0.0101),
  valueScales: Float32Array.of(1, 0.0063),
};

const shapes: readonly Omit<Shape, "elements">[] = [
  { heads: 4, kvHeads: 1, headDim: 64, blockSize: 16 },
  { heads: 3, kvHeads: 3, headDim: 80, blockSize: 16 },
  { heads: 6, kvHeads: 2, headDim: 10, blockSize: 5 },
  { heads: 7, kvHeads: 1, headDim: 2, blockSize: 1 },
  { heads: 5, kvHeads: 1, headDim: 36, blockSize: 24 },
  { heads: 4, kvHeads: 2, headDim: 130, blockSize: 16 },
];

describe.each(variants)("$isa", ({ isa, kernels }) => {
  // AMX and AVX-512 multiply values with weights rounded to BF16, half a unit off at most; so is their sum.
  const weightRounding = isa === "amx" || isa === "avx512" ? 2 ** -8 : 0;

  describe.each([
    ["a BF16 cache", bf16],
    ["an FP8 cache without scales", plainFp8],
    ["an FP8 cache with scales", scaledFp8],
  ] as const)("%s", (_, elements) => {
    test.each(shapes)("$heads/$kvHeads heads of $headDim, blocks of $blockSize", (partial) => {
      kernels.setThreads(2);
      const shape = { ...partial, elements };
      const steps: readonly (readonly Part[])[] = [
        [{ context: 1, rows: 1 }],
        // Every tail of a group of 16 and of a tile of 64 keys, in one batch of decodes.
        Array.from({ length: 33 }, (_, i) => ({ context: i + 1, rows: 1 })),
        [
          { context: 63, rows: 1 },
          { context: 65, rows: 65 },
          { context: 40, rows: 7 },
          { context: 130, rows: 19 },
        ],
      ];
      for (const parts of steps) {
        expect(worstError(run(kernels, shape, parts), shape, parts, weightRounding)).toBeLessThan(
          1,
        );
      }
    });

    // One row: two KV heads in one item, or in one each, as threads want it.
    test.each([3, 1])(
      "a long context of %d rows is split: the splits agree with the whole",
      (rows) => {
        const shape = { heads: 4, kvHeads: 2, headDim: 32, blockSize: 16, elements };
        const parts = [{ context: 1531, rows }];
        const results = [1, 2, 5].map((threads) => {
          kernels.setThreads(threads);
          return run(kernels, shape, parts);
        });
        kernels.setThreads(2);
        for (const result of results) {
          expect(worstError(result, shape, parts, weightRounding)).toBeLessThan(1);
          expect(result).toEqual(results[0]);
        }
      },
    );

    test("a row's bits do not depend on the batch or the chunk it is in", () => {
      const shape = { heads: 6, kvHeads: 2, headDim: 64, blockSize: 16, elements };
      const whole = run(kernels, shape, [{ context: 90, rows: 90 }]);
      // A decode over an FP8 cache leaves the tiles to vectors, whose sums round elsewhere.
      const isApart = isa === "amx" && elements.dtype === "fp8";
      for (const rows of isApart ? [2, 23, 57] : [1, 2, 23, 57]) {
        const tail = run(kernels, shape, [{ context: 90, rows }]);
        expect(tail).toEqual(whole.slice(-tail.length));
      }
    });

    test("NaN left behind in a block reaches nobody", () => {
      const shape = { heads: 2, kvHeads: 1, headDim: 18, blockSize: 16, elements };
      expect(afterPoison(kernels, shape)).toEqual(afterPoison(kernels, shape, 1));
    });
  });

  test("a cache refuses wrong elements", () => {
    const create = (elements: object) =>
      kernels.createKvCache(2, 1, 16, 1, 8, elements as KvElements);
    expect(() => create({ dtype: "int4" })).toThrow(/bf16 or fp8, not int4/);
    expect(() => create({ dtype: "fp8", keyScales: Float32Array.of(1) })).toThrow(/1 scales/);
    expect(() => create({ dtype: "fp8", keyScales: Float32Array.of(1, 0) })).toThrow(/above 0/);
    expect(() => create({ dtype: "fp8", valueScales: [1, 1] })).toThrow(/Float32Array/);
    expect(() => create({ dtype: "bf16", keyScales: Float32Array.of(1, 2) })).toThrow(/fp8 cache/);
  });
});

/** One token's attention in a block that NaN, or another value, filled before. */
function afterPoison(kernels: Kernels, shape: Shape, poison = Number.NaN): Float64Array {
  const { heads, kvHeads, headDim, blockSize, elements } = shape;
  const layers = elements.keyScales?.length ?? 1;
  const cache = kernels.createKvCache(layers, 1, blockSize, kvHeads, headDim, elements);
  const rope = kernels.createRopeTable(new Float32Array(headDim / 2), blockSize);
  const batch = kernels.createBatch();
  const columns = columnsOf(shape);
  const write = (tokens: number, patterns: Uint16Array) => {
    const buffer = kernels.createBuffer("bf16", tokens * columns);
    kernels.writeBuffer(buffer, 0, patterns);
    const rows = Int32Array.from({ length: tokens }, (_, i) => i);
    const sequence = Int32Array.of(0, tokens, tokens, 0);
    kernels.setBatch(batch, rows, rows, rows, sequence, Int32Array.of(0), new Int32Array(0));
    kernels.ropeAndCache(buffer, batch, rope, cache, layers - 1, heads, undefined);
    return buffer;
  };
  const pattern = Number.isNaN(poison) ? 0x7fc0 : 0x3f80;
  write(blockSize, new Uint16Array(blockSize * columns).fill(pattern));
  const buffer = write(3, normal(3 * columns, 9, 1));
  const out = kernels.createBuffer("bf16", 3 * heads * headDim);
  kernels.attention(buffer, batch, cache, layers - 1, heads, out);
  const values = Float64Array.from(kernels.readBuffer(out, 0, 3 * heads * headDim), fromBf16);
  expect(values.every(Number.isFinite)).toBe(true);
  return values;
}
