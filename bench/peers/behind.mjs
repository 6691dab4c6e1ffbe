// Where a run found quantlab behind, and how much of that is bytes and how much is their use.
import { cells, decodeBytes } from "./cells.mjs";
import { headClass, ratioOf } from "./ratios.mjs";

/** Our row that a peer's is compared with: a head of as many bits, else the family's first. */
export function likeRow(row, rows) {
  const ours = rows.filter(({ peer, family }) => peer === "quantlab" && family === row.family);
  return ours.find(({ bits }) => headClass(bits) === headClass(row.bits)) ?? ours[0];
}

/**
 * Cells in which a peer is ahead of the row that it is compared with, the widest first.
 * @param bestOfCell one row for each contender and format of a cell: its best setting
 */
export function behindLines(bestOfCell, model) {
  return cells
    .flatMap((cell) => {
      const rows = bestOfCell(cell.name);
      return rows.flatMap((row) => {
        const ours = row.peer === "quantlab" ? undefined : likeRow(row, rows);
        if (ours === undefined) return [];
        const { ratio } = ratioOf(ours, row);
        return ratio < 1
          ? [{ cell, ours, row, ratio, bytes: bytesRatio(cell, model, ours, row) }]
          : [];
      });
    })
    .sort((a, b) => a.ratio - b.ratio);
}

/** Their bytes over ours where one sequence waits for memory; undefined where bytes do not decide. */
function bytesRatio(cell, model, ours, row) {
  if (cell.kind !== "decode" || cell.batch !== 1) return undefined;
  return decodeBytes(cell, model, row.bits) / decodeBytes(cell, model, ours.bits);
}

export function renderBehind(bestOfCell, model) {
  const lines = behindLines(bestOfCell, model);
  const title = "**where quantlab is behind**";
  if (lines.length === 0) return `${title}\n\nNowhere in this run.`;
  const percent = (share) => (share === undefined ? "" : `${(100 * share).toFixed(0)} %`);
  const rendered = lines.map(({ cell, ours, row, ratio, bytes }) =>
    [
      ...[cell.name, ours.format, `${row.peer} ${row.format}`, `${ratio.toFixed(2)}x`],
      ...[bytes === undefined ? "" : `${bytes.toFixed(2)}x`, percent(ours.ofCeiling)],
      percent(row.ofCeiling),
    ].join(" | "),
  );
  const head =
    "| | quantlab | behind | it is | by bytes alone | our share of the ceiling | theirs |";
  return `${title}\n\n${head}\n|${"---|".repeat(7)}\n${rendered.map((line) => `| ${line} |`).join("\n")}`;
}
