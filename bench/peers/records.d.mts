export function readRecords(file: string): object[];
export function appendRecords(file: string, records: readonly object[]): void;
export function remaining<Visit extends object>(
  plan: readonly Visit[],
  records: readonly object[],
  retry: boolean,
): Visit[];
