import type { Parameters } from "./cells.mjs";

export interface Row {
  readonly cell: string;
  readonly setting: string;
  readonly n: number;
  readonly median: number;
  readonly disturbed: boolean;
}
export function summarize(records: readonly object[], model: Parameters): Row[];
export function bestAndPlain(
  rows: readonly Row[],
): { readonly best: Row; readonly plain: Row | undefined }[];
export function renderTables(records: readonly object[], model: Parameters): string;
