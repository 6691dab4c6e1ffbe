/** Tables for the terminal: at most 100 columns wide, headers wrapped, too many columns in blocks. */
import { formatBytes, significant } from "../base/units.ts";

/** Widest line we print; terminals and mail both show it. */
export const terminalWidth = 100;

const gap = "  ";

export interface TextTable {
  readonly title?: string;
  /** The first column names the row: left-aligned, and repeated in every block. */
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns to align left besides the first, by index. */
  readonly left?: readonly number[];
}

/** Lines of the table joined by newlines, with a newline at the end. */
export function renderTable(table: TextTable, width: number = terminalWidth): string {
  const head = table.header.map((title) => title.split(/\s+/));
  const widths = head.map((words, column) =>
    Math.max(
      ...words.map((word) => word.length),
      ...table.rows.map((row) => cellText(row, column).length),
    ),
  );
  const blocks = splitIntoBlocks(widths, width).map((columns) =>
    renderBlock(table, head, widths, columns),
  );
  const title = table.title === undefined ? "" : `${table.title}\n`;
  return `${title}${blocks.join("\n")}`;
}

function cellText(row: readonly string[], column: number): string {
  return row[column] ?? "";
}

/** Column indices of each block: the first column, then as many as fit. */
function splitIntoBlocks(widths: readonly number[], width: number): number[][] {
  const first = widths[0] ?? 0;
  const blocks: number[][] = [];
  let block = [0];
  let used = first;
  for (let column = 1; column < widths.length; column++) {
    const needed = gap.length + (widths[column] ?? 0);
    if (used + needed > width && block.length > 1) {
      blocks.push(block);
      block = [0];
      used = first;
    }
    block.push(column);
    used += needed;
  }
  return [...blocks, block];
}

function renderBlock(
  table: TextTable,
  head: readonly string[][],
  widths: readonly number[],
  columns: readonly number[],
): string {
  const pad = (text: string, column: number) => {
    const isLeft = column === 0 || (table.left?.includes(column) ?? false);
    const columnWidth = widths[column] ?? 0;
    return isLeft ? text.padEnd(columnWidth) : text.padStart(columnWidth);
  };
  const line = (text: (column: number) => string) =>
    columns
      .map((column) => pad(text(column), column))
      .join(gap)
      .trimEnd();
  const headLines = Math.max(...columns.map((column) => head[column]?.length ?? 0));
  const lines = Array.from({ length: headLines }, (_, i) =>
    line((column) => {
      const words = head[column] ?? [];
      return words[i - (headLines - words.length)] ?? "";
    }),
  );
  lines.push(columns.map((column) => "-".repeat(widths[column] ?? 0)).join(gap));
  for (const row of table.rows) lines.push(line((column) => cellText(row, column)));
  return `${lines.join("\n")}\n`;
}

/** A number as a table shows it: bytes scaled, shares as "93 %", everything else three digits. */
export function formatValue(value: number, unit: string): string {
  if (!Number.isFinite(value)) return String(value);
  if (unit === "B" || unit === "bytes") return formatBytes(value);
  if (unit === "%") return `${Math.round(value)} %`;
  return significant(value, Math.abs(value) >= 1000 ? 4 : 3);
}
