import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { automaticShare, chooseBlocks, type KvCacheDemand } from "./kv-cache.ts";

const demand: KvCacheDemand = {
  bytesPerToken: 100,
  blockSize: 16,
  maxNumSeqs: 4,
  maxModelLen: 100,
  requestedBytes: undefined,
  availableBytes: 1e9,
};

describe("chooseBlocks", () => {
  test("takes what the whole load needs where memory is plenty", () => {
    // 100 tokens are 7 blocks of 16.
    expect(chooseBlocks(demand)).toBe(28);
  });

  test("takes a request at its word", () => {
    expect(chooseBlocks({ ...demand, requestedBytes: 1_600_000 })).toBe(1000);
  });

  test("refuses a cache in which one sequence does not fit", () => {
    expect(() => chooseBlocks({ ...demand, requestedBytes: 11_199 })).toThrow(
      "one sequence of 100 tokens needs 11.20 kB of KV cache, but --kv-cache-memory is 11.20 kB",
    );
    expect(() => chooseBlocks({ ...demand, availableBytes: 1000 })).toThrow(
      "half of the free memory",
    );
    expect(chooseBlocks({ ...demand, requestedBytes: 11_200 })).toBe(7);
  });

  test("left to itself it stays within its share of free memory", () => {
    fc.assert(
      fc.property(fc.integer({ min: 25_000, max: 1_000_000 }), (availableBytes) => {
        const bytes = chooseBlocks({ ...demand, availableBytes }) * 16 * 100;
        expect(bytes).toBeLessThanOrEqual(availableBytes * automaticShare);
      }),
    );
  });
});
