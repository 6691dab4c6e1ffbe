export function runVisit(
  command: { readonly program: string; readonly argv: readonly string[] },
  limitMs: number,
  cores?: readonly number[],
): Promise<{ readonly stdout: string; readonly residentBytes: number }>;
export function coresIn(list: string): number[];
export function reasonOf(ended: {
  readonly code: number | null;
  readonly signal: string | null;
  readonly limitMs: number;
  readonly stdout: string;
  readonly stderr: string;
}): string;
