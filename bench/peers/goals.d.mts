import type { Parameters } from "./cells.mjs";
import type { Row } from "./table.mjs";

export function renderBytes(model: Parameters): string | undefined;
export function goalLines(
  rows: readonly Row[],
  model: Parameters,
): {
  readonly cell: string;
  readonly goal: number;
  readonly ceiling: number;
  readonly measured: { readonly ratio: number; readonly n: number };
}[];
