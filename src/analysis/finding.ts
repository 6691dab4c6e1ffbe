/** A claim with its numbers: what analysis hands to report and terminal. */

/** A measured or predicted quantity as it is shown. */
export interface Quantity {
  readonly value: number;
  readonly unit: string;
  /** Samples behind it: requests, tokens or repeats, as `of` says. */
  readonly n: number;
  readonly of: string;
  /** 95 % interval where one could be computed. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** What it is held against ("read bandwidth 34 GB/s"), and the fraction reached. */
  readonly ceiling:
    | { readonly label: string; readonly value: number; readonly fraction: number }
    | undefined;
  /** Cell paths that it comes from; absent for what was computed from none. */
  readonly evidence?: readonly string[];
}

/** Words whose numbers come from these cells. */
export interface Statement {
  readonly text: string;
  readonly evidence: readonly string[];
}

/** Statements as one text. */
export function wordsOf(statements: readonly Statement[]): string {
  return statements.map(({ text }) => text).join(" ");
}

export interface Finding {
  /** Stable id: "crossover/output-throughput/bf16/awq". */
  readonly id: string;
  /** One sentence with its numbers filled in. */
  readonly claim: string;
  readonly verdict: "yes" | "no" | "undecided" | "info";
  readonly numbers: Readonly<Record<string, Quantity>>;
  /** Cell paths (results/run.ts) that the numbers come from. */
  readonly evidence: readonly string[];
}

/** A table as data: the terminal, the page and Markdown print the same one. */
export interface Table {
  readonly title: string;
  readonly columns: readonly {
    readonly id: string;
    readonly title: string;
    readonly unit: string;
  }[];
  readonly rows: readonly Readonly<Record<string, TableValue>>[];
}

/** Plain words hold no number of a cell. */
export type TableValue = Quantity | Statement | string | undefined;

export function isQuantity(value: TableValue): value is Quantity {
  return typeof value === "object" && "value" in value;
}

/** In place of a cell's path, for numbers that follow from the machine, the model and the configuration. */
export const manifestPath = "manifest.json";
