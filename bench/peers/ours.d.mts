export function parseReports(stdout: string): {
  readonly cell: string;
  readonly value?: number;
  readonly reason?: string;
}[];
