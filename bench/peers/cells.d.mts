export interface Cell {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  readonly unit: string;
}
export interface Parameters {
  readonly shape: string;
  readonly linear: number;
  readonly head: number;
  readonly norm: number;
  readonly kvBytesPerToken: number;
}
export interface Bits {
  readonly linear: number;
  readonly head: number;
  readonly norm?: number;
}
export const cells: readonly Cell[];
export function weightBytes(model: Parameters, bits: Bits): number;
export function ceilingOf(
  cell: Cell | undefined,
  model: Parameters,
  bits: Bits,
  ceilings: { readonly bandwidth: number; readonly peakFlops: number },
): number | undefined;
