/** Added batch sizes: what a run may still add, and that a resume reads them back from its cells. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CellKey } from "../results/run.ts";
import { completeConfig } from "./complete.ts";
import { profileByName } from "./profiles.ts";
import { addedBatches, batchesToAdd, withBatches } from "./refinement.ts";
import { throughput } from "./throughput.ts";

const config = completeConfig(profileByName("standard").draft, "dummy:tiny");

function cellsOf(batches: readonly number[]): CellKey[] {
  return throughput
    .plan(withBatches(config, batches), undefined)
    .map(({ setting }) => ({ format: "bf16", experiment: "throughput", setting, repeat: 0 }));
}

test("the cells of a run tell which batch sizes were added, whatever they are", () => {
  const named = config.experiments.throughput?.batchSizes ?? [];
  const batches = fc.uniqueArray(
    fc.integer({ min: 1, max: 64 }).filter((batch) => !named.includes(batch)),
  );
  fc.assert(
    fc.property(batches, (added) => {
      const found = addedBatches(config, cellsOf(added));
      expect(found).toEqual(added.toSorted((a, b) => a - b));
    }),
  );
});

test("no more are added than the configuration allows, over all rounds", () => {
  expect(config.experiments.throughput?.refineBatches).toBe(2);
  expect(batchesToAdd(config, cellsOf([]), [4, 8, 32])).toEqual([4, 8]);
  expect(batchesToAdd(config, cellsOf([4]), [2, 8])).toEqual([2]);
  expect(batchesToAdd(config, cellsOf([4, 8]), [2])).toEqual([]);
});

test("none beyond what the server runs at once, and none unasked", () => {
  expect(batchesToAdd({ ...config, maxNumSeqs: 3 }, cellsOf([]), [2, 8])).toEqual([2]);
  const settings = config.experiments.throughput;
  if (settings === undefined) throw new Error("the profile measures throughput");
  const { refineBatches: _, ...plain } = settings;
  const silent = { ...config, experiments: { ...config.experiments, throughput: plain } };
  expect(batchesToAdd(silent, cellsOf([]), [4])).toEqual([]);
});
