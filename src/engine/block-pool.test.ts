import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockPool } from "./block-pool.ts";

describe("BlockPool", () => {
  test("hands out the lowest blocks first, so that memory is touched as needed", () => {
    expect(new BlockPool(8, 16).allocate(3)).toEqual([0, 1, 2]);
  });

  test("gives all or nothing", () => {
    const pool = new BlockPool(4, 16);
    expect(pool.allocate(5)).toBeUndefined();
    expect(pool.free).toBe(4);
  });

  test("a shared block is free only after its last holder", () => {
    const pool = new BlockPool(1, 16);
    const blocks = pool.allocate(1) ?? [];
    pool.share(0);
    pool.release(blocks);
    expect(pool.free).toBe(0);
    pool.release(blocks);
    expect(pool.free).toBe(1);
    expect(() => pool.release(blocks)).toThrow("nobody holds it");
    expect(() => pool.share(0)).toThrow("nobody holds it");
  });

  test("no block is held twice, whatever the order of allocation and release", () => {
    const action = fc.oneof(
      fc.record({ take: fc.integer({ min: 0, max: 6 }) }),
      fc.record({ drop: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const pool = new BlockPool(16, 4);
        const held: number[][] = [];
        for (const step of actions) {
          if ("take" in step) {
            const blocks = pool.allocate(step.take);
            expect(blocks === undefined).toBe(step.take > 16 - held.flat().length);
            if (blocks !== undefined) held.push(blocks);
          } else if (held.length > 0) {
            pool.release(held.splice(step.drop % held.length, 1)[0] ?? []);
          }
          const all = held.flat();
          expect(new Set(all).size).toBe(all.length);
          expect(pool.used).toBe(all.length);
        }
      }),
    );
  });
});
