import type { Parameters } from "./cells.mjs";
import type { Row } from "./table.mjs";

export function behindLines(
  bestOfCell: (name: string) => readonly Row[],
  model: Parameters,
): { readonly ratio: number; readonly bytes: number | undefined }[];
