interface Contender {
  readonly peer: string;
  readonly family: string;
  readonly format: string;
  readonly setting: string;
  readonly groups: readonly string[];
  readonly seldom?: boolean;
}
export function planRounds(
  contenders: readonly Contender[],
  repeats: number,
  moreRepeats?: number,
): { readonly peer: string; readonly group: string; readonly repeat: number }[][];
