/** One cell of `bench attention`, the same addon against itself. */
import { expect, test } from "vitest";
import {
  attentionCellSchema,
  attentionResultSchema,
  measureAttention,
} from "./bench-attention-cell.ts";
import { ownAddon } from "./bench-kernels-build.ts";

test.each([
  ["decode", "bf16", 2],
  ["decode", "fp8", 1],
  ["prefill", "bf16", 1],
  ["prefill", "fp8", 1],
] as const)("%s over a %s cache is timed and bounded", (phase, dtype, sequences) => {
  const cell = attentionCellSchema.parse({
    ...{ shape: "test", heads: 4, kvHeads: 2, headDim: 16, dtype, phase, context: 40, sequences },
    ...{ threads: 2, repeats: 6, addons: [ownAddon, ownAddon] },
  });
  const result = attentionResultSchema.parse(JSON.parse(JSON.stringify(measureAttention(cell))));
  expect(result.builds).toHaveLength(2);
  for (const { lowMs, medianMs, highMs } of result.builds) {
    expect(lowMs).toBeGreaterThan(0);
    expect(medianMs).toBeGreaterThanOrEqual(lowMs);
    expect(highMs).toBeGreaterThanOrEqual(medianMs);
  }
  expect(result.kvBytes).toBe(2 * sequences * 40 * 2 * 16 * (dtype === "bf16" ? 2 : 1));
  expect(result.flop).toBe(4 * 4 * 16 * (phase === "decode" ? sequences * 40 : 820));
  // BF16 results, whose largest is measured against.
  if (phase === "prefill") expect(result.error).toBeLessThan(2 ** -7);
});
