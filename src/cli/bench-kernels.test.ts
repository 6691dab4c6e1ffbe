/** One cell of `bench kernels`, the same addon against itself. */
import { expect, test } from "vitest";
import { formats } from "../formats/registry.ts";
import { ownAddon } from "./bench-kernels-build.ts";
import { cellResultSchema, cellSchema, measureCell } from "./bench-kernels-cell.ts";

const names = formats.map(({ name }) => name);

test.each([...names, "fp8 block"])("%s is timed, bounded and checked", (name) => {
  const isBlock = name === "fp8 block";
  const format = isBlock ? "fp8" : name;
  const cell = cellSchema.parse({
    format,
    name: "linear",
    rows: 80,
    columns: 256,
    m: 5,
    ...(format === "awq" || isBlock ? { groupSize: 128 } : {}),
    ...(isBlock ? { granularity: "block" } : {}),
    threads: 2,
    repeats: 7,
    addons: [ownAddon, ownAddon],
  });
  const result = cellResultSchema.parse(JSON.parse(JSON.stringify(measureCell(cell))));
  expect(result.builds).toHaveLength(2);
  for (const { lowMs, medianMs, highMs } of result.builds) {
    expect(lowMs).toBeGreaterThan(0);
    expect(medianMs).toBeGreaterThanOrEqual(lowMs);
    expect(highMs).toBeGreaterThanOrEqual(medianMs);
  }
  expect(result.calls).toBe(7);
  expect(result.flop).toBe(2 * 5 * 80 * 256);
  // A chain of 256 FP32 sums and the scales.
  expect(result.error).toBeLessThan(260 * 2 ** -24);
  expect(result.readBytesPerSecond).toBeGreaterThan(0);
  expect(result.flopPerSecond).toBeGreaterThan(0);
});
