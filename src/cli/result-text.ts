/** The end table in the terminal: figures down, formats across, a bar against each ceiling, within 100 columns. */
import { isQuantity, type Quantity, type Table, type TableValue } from "../analysis/finding.ts";
import { asPercent, asText } from "../analysis/wording.ts";
import { columnTitle, valueText } from "../report/quantity-text.ts";
import { renderTable } from "./table.ts";

const barWidth = 10;
/** Eighths of a character, from none to seven. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** "████▌      45.0 %": how much of a ceiling is reached; more than all of it is a full bar. */
export function bar(fraction: number): string {
  const filled = Math.max(0, Math.min(1, fraction)) * barWidth;
  const whole = Math.floor(filled);
  const part = eighths[Math.floor((filled - whole) * 8)] ?? "";
  return `${"█".repeat(whole)}${part}`.padEnd(barWidth, "·");
}

/** The result table of an analysis; formats that do not fit side by side come in blocks. */
export function resultText({ columns, rows }: Table): string {
  const [label, ...figures] = columns;
  if (label === undefined) return "";
  const names = rows.map((row) => String(row[label.id] ?? ""));
  const lines = figures.flatMap((column) => {
    const values = rows.map((row) => row[column.id]);
    const plain = [columnTitle(column), ...values.map((value) => withoutFraction(value))];
    const ceilings = values.map((value) => (isQuantity(value) ? value.ceiling : undefined));
    const known = ceilings.find((ceiling) => ceiling !== undefined);
    if (known === undefined) return [plain];
    const title = `  of ${asText(known.value)}, ${known.label}`;
    return [plain, [title, ...ceilings.map(barText)]];
  });
  return renderTable({ header: ["", ...names], rows: lines });
}

function withoutFraction(value: TableValue): string {
  return isQuantity(value) ? valueText({ ...value, ceiling: undefined }) : valueText(value);
}

function barText(ceiling: Quantity["ceiling"]): string {
  return ceiling === undefined ? "" : `${bar(ceiling.fraction)} ${asPercent(ceiling.fraction)}`;
}

/** A table as it is: one row a line. */
export function tableText({ columns, rows }: Table): string {
  return renderTable({
    header: columns.map(columnTitle),
    rows: rows.map((row) => columns.map(({ id }) => valueText(row[id]))),
  });
}
