interface Result {
  readonly cell: string;
  readonly value: number;
}
export function parseBench(stdout: string): Result[];
export function parseBatched(stdout: string): Result[];
export function parseLong(stdout: string): Result[];
