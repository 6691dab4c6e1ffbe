/** `exact_match` as the task sets it, and the mean with its standard error as the harness prints them. */

/** 1 when answer and target are the same text once both are normalized. */
export function exactMatch(answer: string, target: string): 0 | 1 {
  return normalize(answer) === normalize(target) ? 1 : 0;
}

/** The task's `regexes_to_ignore` in their order, then `ignore_case`. */
function normalize(text: string): string {
  return (
    text
      .replaceAll(",", "")
      .replaceAll("$", "")
      .replace(/[\s\S]*#### /g, "")
      // Python's `$` also stands before one final newline.
      .replace(/\.(?=\n?$)/g, "")
      .toLowerCase()
  );
}

export interface MeanScore {
  readonly n: number;
  readonly mean: number;
  /** undefined for a single question, where the harness prints "N/A". */
  readonly standardError: number | undefined;
}

/** Summed from left to right, so that it agrees to the last digit. */
export function meanScore(scores: readonly number[]): MeanScore {
  const n = scores.length;
  const mean = scores.reduce((sum, score) => sum + score, 0) / n;
  if (n < 2) return { n, mean, standardError: undefined };
  const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
  return { n, mean, standardError: Math.sqrt(squares / (n - 1)) / Math.sqrt(n) };
}
