export interface Cell {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  readonly unit: string;
}
export interface Parameters {
  readonly linear: number;
  readonly head: number;
  readonly kvBytesPerToken: number;
}
export const cells: readonly Cell[];
export function ceilingOf(
  cell: Cell | undefined,
  model: Parameters,
  bits: { readonly linear: number; readonly head: number },
  ceilings: { readonly bandwidth: number; readonly peakFlops: number },
): number | undefined;
