/** A table as HTML: caption, scoped headers, numbers to the right, its own scroll area when wide. */
import {
  isQuantity,
  manifestPath,
  type Quantity,
  type Table,
  type TableValue,
} from "../analysis/finding.ts";
import { asPercent, asText } from "../analysis/wording.ts";
import { type Html, html } from "./html.ts";
import { linkedText } from "./linked-text.ts";
import { columnTitle } from "./quantity-text.ts";
import { type Linker, linked } from "./records-html.ts";

const noLinks: Linker = () => undefined;

export function tableHtml(table: Table, link: Linker = noLinks): Html {
  const [first, ...others] = table.columns;
  if (first === undefined) return html``;
  const numeric = new Set(others.filter(({ id }) => hasQuantity(table, id)).map(({ id }) => id));
  const side = (id: string) => (numeric.has(id) ? "number" : "");
  const head = table.columns.map(
    ({ id, title, unit }) =>
      html`<th scope="col" class="${side(id)}">${title}${unit === "" ? undefined : html`<span class="unit">${unit}</span>`}</th>`,
  );
  const rows = table.rows.map(
    (row) =>
      html`<tr><th scope="row">${textOf(row[first.id])}</th>${others.map(
        ({ id }) => html`<td class="${side(id)}">${valueHtml(row[id], link)}</td>`,
      )}</tr>\n`,
  );
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${table.title}">
<table><caption>${table.title}</caption>
<thead><tr>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** Rows become columns: a result of few formats and many figures then fits a phone. */
export function transposed(table: Table): Table {
  const [first, ...others] = table.columns;
  if (first === undefined) return table;
  const labels = table.rows.map((row) => textOf(row[first.id]));
  return {
    title: table.title,
    columns: [
      { id: "figure", title: "figure", unit: "" },
      ...labels.map((label, i) => ({ id: `row${i}`, title: label, unit: "" })),
    ],
    rows: others.map((column) => ({
      figure: columnTitle(column),
      ...Object.fromEntries(table.rows.map((row, i) => [`row${i}`, row[column.id]])),
    })),
  };
}

function hasQuantity(table: Table, id: string): boolean {
  return table.rows.some((row) => isQuantity(row[id]));
}

function textOf(value: TableValue): string {
  if (typeof value !== "object") return value ?? "—";
  return isQuantity(value) ? asText(value.value) : value.text;
}

/** The value; below it, smaller, its interval and its share of the ceiling. */
function valueHtml(value: TableValue, link: Linker): Html {
  if (typeof value !== "object") return html`${value ?? "—"}`;
  if (!isQuantity(value)) return linkedText(value, link);
  return html`${linked(asText(value.value), value, link)}${under(value, link)}`;
}

function under(quantity: Quantity, link: Linker): Html[] {
  const { low, high, ceiling } = quantity;
  const lines: Html[] = [];
  if (low !== undefined && high !== undefined && asText(low) !== asText(high)) {
    const ends = linked(`${asText(low)} to ${asText(high)}`, quantity, link);
    lines.push(html`<span class="under">${ends}</span>`);
  }
  if (ceiling !== undefined) {
    const { fraction, label, value } = ceiling;
    lines.push(
      html`<span class="under">${linked(asPercent(fraction), quantity, link)} of ${label} ${ceilingLink(value, link)}</span>`,
    );
  }
  return lines;
}

/** A ceiling is a probe of the machine. */
function ceilingLink(value: number, link: Linker): Html {
  return linkedText({ text: asText(value), evidence: [manifestPath] }, link);
}
