/** One decoder block on its way into a format: its linears, what they read, and what comes out. */
import type { CanonicalMatrix, FormatOptions } from "./canonical.ts";

/** One linear layer in BF16. */
export interface BlockLinear {
  /** Full name without ".weight". */
  readonly module: string;
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns] */
  readonly weight: Uint16Array;
  /** [rows], where it has one. */
  readonly bias?: Uint16Array | undefined;
}

/** Inputs of a linear over the calibration tokens, BF16 [tokens, columns]. */
export interface Activations {
  readonly tokens: number;
  readonly values: Uint16Array;
}

/** Where a group's input comes from: its channels can be divided there at no cost. */
export type Producer =
  | { readonly kind: "norm"; readonly module: string; readonly weight: Uint16Array }
  /** Channel i of the input is row i of this linear's output, times something that does not scale. */
  | { readonly kind: "linear"; readonly module: string };

/** Linears that read one input. */
export interface LinearGroup {
  readonly linears: readonly BlockLinear[];
  /** undefined where nothing can take up a division. */
  readonly producer: Producer | undefined;
  /** undefined without calibration. */
  readonly input: Activations | undefined;
}

/** What a search decided for one group, for people and for files. */
export interface GroupChoice {
  readonly modules: readonly string[];
  /** Exponent of the activations in the column scales; undefined where nothing was scaled. */
  readonly alpha: number | undefined;
  /** Squared error of the outputs against plain rounding, on the calibration tokens; below 1 is better. */
  readonly errorRatio: number;
}

export interface QuantizedBlock {
  readonly matrices: ReadonlyMap<string, CanonicalMatrix>;
  /** BF16 vectors that changed, by tensor name: norms and biases that took up a division. */
  readonly vectors: ReadonlyMap<string, Uint16Array>;
  readonly choices: readonly GroupChoice[];
}

/** How a format quantizes whole blocks: `quantlab quantize`. */
export interface BlockQuantizer {
  /** Whether it looks at activations. */
  needsCalibration(options: FormatOptions): boolean;
  /** @throws format-unsupported */
  quantizeBlock(groups: readonly LinearGroup[], options: FormatOptions): QuantizedBlock;
}
