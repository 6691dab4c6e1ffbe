/** Batch sizes whose cells would narrow a measured crossover the most. */
import type { RowCrossover } from "./crossovers.ts";

/** A bracket narrower than this factor is not worth another cell. */
const narrowEnough = 1.5;

/**
 * The geometric middle of the two measured batches around each crossing by output tokens per second,
 * or of its interval where that is wider; none where a whole batch size no longer lies between.
 */
export function batchesToMeasure(
  crossovers: readonly RowCrossover[],
  measuredBatches: readonly number[],
): number[] {
  const found = crossovers
    .filter(({ metric }) => metric === "throughput")
    .flatMap(({ measured }) => measured?.batches ?? [])
    .flatMap((crossing) => {
      const below = Math.max(...measuredBatches.filter((batch) => batch <= crossing));
      const above = Math.min(...measuredBatches.filter((batch) => batch >= crossing));
      if (!Number.isFinite(below) || !Number.isFinite(above)) return [];
      const middle = Math.round(Math.sqrt(below * above));
      const isNew = middle > below && middle < above;
      return isNew && above / below > narrowEnough ? [middle] : [];
    });
  return [...new Set(found)].sort((a, b) => a - b);
}
