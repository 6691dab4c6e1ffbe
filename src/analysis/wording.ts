/** Numbers inside sentences: three significant digits, the same everywhere. */
import { significant } from "../base/units.ts";
import type { Interval } from "./interval.ts";

/** "1,234", "12.3", "0.0123". */
export function asText(value: number): string {
  const plain = significant(value, 3);
  const [whole = "", fraction] = plain.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** "73 %". */
export function asPercent(share: number): string {
  return `${significant(100 * share, Math.abs(share) < 0.1 ? 2 : 3)} %`;
}

/** "1.61x" or "1.61x (1.5 to 1.7)". */
export function asRatio({ value, low, high }: Interval): string {
  const between =
    low === undefined || high === undefined ? "" : ` (${asText(low)} to ${asText(high)})`;
  return `${asText(value)}x${between}`;
}
