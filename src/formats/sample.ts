/** Takes rows evenly out of a matrix, always the same ones. */

/** At most `most` rows of [rows, columns], spread evenly from the first on; all where there are fewer. */
export function sampleRows(
  values: Uint16Array,
  rows: number,
  columns: number,
  most: number,
): { values: Uint16Array; rows: number } {
  if (rows <= most) return { values, rows };
  const sampled = new Uint16Array(most * columns);
  for (let i = 0; i < most; i++) {
    const row = Math.floor((i * rows) / most);
    sampled.set(values.subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return { values: sampled, rows: most };
}
