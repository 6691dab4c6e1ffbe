/** A quantity as the table, the page and Markdown print it. */
import { isQuantity, type Quantity, type Table, type TableValue } from "../analysis/finding.ts";
import { asPercent, asText } from "../analysis/wording.ts";

/** "10.2", "23.1 (68 %)", "10.2 [9.9, 10.5]", "—" where nothing is known. */
export function valueText(value: TableValue): string {
  if (value === undefined) return "—";
  if (typeof value === "string") return value;
  if (!isQuantity(value)) return value.text;
  return `${asText(value.value)}${intervalText(value)}${fractionText(value)}`;
}

function intervalText({ low, high }: Quantity): string {
  if (low === undefined || high === undefined) return "";
  const ends = [asText(low), asText(high)];
  // An interval narrower than the digits shown says nothing.
  return ends[0] === ends[1] ? "" : ` [${ends.join(", ")}]`;
}

function fractionText({ ceiling }: Quantity): string {
  return ceiling === undefined ? "" : ` (${asPercent(ceiling.fraction)})`;
}

/** Title and unit of a column: "weights (GB)". */
export function columnTitle({ title, unit }: Table["columns"][number]): string {
  return unit === "" ? title : `${title} (${unit})`;
}
