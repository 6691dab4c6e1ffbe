/** Tensors of a quantized matrix in their one canonical form, and the choices behind them. */

/** How much of a matrix shares one weight scale. */
export type Granularity = "tensor" | "channel" | "block";

/** Choices a format leaves open, fixed once per model. */
export interface FormatOptions {
  /** Columns that share one scale (awq; fp8 block-wise). */
  readonly groupSize?: number;
  /** Name of the format's layout that a checkpoint is in. */
  readonly layout?: string;
  /** Without zero points (awq): the zero of every group is the middle code. */
  readonly symmetric?: boolean;
  /** Of weight scales (fp8). */
  readonly granularity?: Granularity;
  /** Activation scales measured while quantizing (fp8); absent means one a token, computed as it runs. */
  readonly activations?: "static";
  /** The kernel that multiplies, where the format has a second one; not a property of checkpoints. */
  readonly kernel?: "plain";
}

/** Canonical tensors of one matrix: what `packWeight` of kernels/binding.ts takes. */
export type CanonicalTensors = Readonly<Record<string, Uint8Array | Uint16Array | Float32Array>>;

/** Canonical tensors of one matrix, or of several stacked by rows. */
export interface CanonicalMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly tensors: CanonicalTensors;
}
