// How many times better one row of a table is than another, by rounds, and which rows compare like with like.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Whether more of this unit is better. */
export const rising = (unit) => unit === "tok/s";

/** 16-bit heads among themselves, heads of about 8 bits, heads of about 4. */
export function headClass({ head }) {
  if (head > 12) return "16 bit";
  return head > 6 ? "8 bit" : "4 bit";
}

/**
 * Ours over theirs: the ratio within each round that measured both (they stand side by side there, on
 * the same cores), then the median. Rows without a common round are compared by their medians.
 * @returns {{ratio: number, low: number, high: number, n: number}}
 */
export function ratioOf(ours, theirs) {
  const byRepeat = new Map(theirs.samples.map(({ repeat, value }) => [repeat, value]));
  const over = (mine, other) => (rising(ours.unit) ? mine / other : other / mine);
  const ratios = ours.samples.flatMap(({ repeat, value }) => {
    const other = byRepeat.get(repeat);
    return other === undefined ? [] : [over(value, other)];
  });
  if (ratios.length === 0) ratios.push(over(ours.median, theirs.median));
  return {
    ...{ ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) },
    n: ratios.length,
  };
}
