/** What a number format is: how its checkpoints look, how it quantizes, and what its weights cost. */
import type { ModelConfig, QuantizationConfig } from "../checkpoint/model-config.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { TensorToWrite } from "../checkpoint/writer.ts";
import type { WeightHandle } from "../kernels/binding.ts";
import type { BlockQuantizer } from "./block.ts";
import type { CanonicalMatrix, CanonicalTensors, FormatOptions } from "./canonical.ts";

export type { CanonicalMatrix, CanonicalTensors, FormatOptions, Granularity } from "./canonical.ts";

/** A linear layer's matrix, loaded: y = x times its transpose. */
export interface Weight {
  readonly handle: WeightHandle;
  readonly format: string;
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly columns: number;
  /** Bytes in memory, scales, zeros and padding included. */
  readonly bytes: number;
}

/** A dense matrix in FP32, row-major: the exact, slow side of every comparison. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** One way in which checkpoints of a format name, pack and announce their tensors. */
export interface Layout {
  /** As in `quantize --layout`: "autoawq". */
  readonly name: string;
  /**
   * `kv_cache_scheme` of a checkpoint that brings scales of an FP8 KV cache, and their shape; absent
   * where servers look for none.
   */
  readonly kvCache?: { readonly scheme: unknown; readonly scaleShape: readonly number[] };
  /** What `torch_dtype` of config.json has to say, where the layout fixes it. */
  readonly modelDtype?: string;
  /** The quantization_config block. @param ignored modules left unquantized, by their full names */
  configOf(options: FormatOptions, ignored: readonly string[]): QuantizationConfig;
  /** Tensors of one module, to write. @throws format-unsupported where it cannot hold them */
  tensorsOf(module: string, matrix: CanonicalMatrix, options: FormatOptions): TensorToWrite[];
}

export interface Format {
  /** As in configuration files and charts: "fp8". */
  readonly name: string;
  /** For people: "FP8 E4M3, per-channel scales". */
  readonly title: string;
  /** What the inner product is done in. */
  readonly compute: "bf16" | "f32" | "int8";
  /**
   * What a device's matrix units multiply where they can ("fp8" for W8A8); absent means BF16, as for
   * weight-only formats. The roofline reads it; the CPU kernels do not.
   */
  readonly operands?: "bf16" | "fp8" | "int8";
  /** Kernels beside the first one, by their names in `--kernel` and lab.yaml; absent: none. */
  readonly otherKernels?: readonly NonNullable<FormatOptions["kernel"]>[];
  /** What one weight costs, scales and zeros included; per-row costs spread over `columns`. */
  bitsPerWeight(columns: number, options: FormatOptions): number;
  /** Options that fit a model's shape, for example awq's group size. @throws format-unsupported */
  resolve(config: ModelConfig): FormatOptions;
  /** Whether a checkpoint with this quantization_config is in this format; exclusive among formats. */
  detect(config: QuantizationConfig | undefined): boolean;
  /** Options recorded in a quantization_config that `detect` accepted. */
  optionsOf(config: QuantizationConfig | undefined): FormatOptions;
  /** Quantizes whole blocks for a checkpoint; absent where there is nothing to quantize. */
  readonly quantizer?: BlockQuantizer;
  /** Layouts it is written in, the default first; none for what is not quantized. */
  readonly layouts: readonly Layout[];
  /**
   * Reads one matrix of a checkpoint in this format, as canonical tensors. Several modules are
   * stacked by rows. @param modules names without the ".weight" suffix @throws checkpoint-mismatch
   */
  read(source: TensorSource, modules: readonly string[], options: FormatOptions): CanonicalMatrix;
  /**
   * Loads one matrix from a checkpoint in this format. Several modules (q, k, v) are stacked by rows
   * into one weight. @param modules names without the ".weight" suffix
   */
  load(source: TensorSource, modules: readonly string[], options: FormatOptions): Weight;
  /** The same from a BF16 (F16, F32) checkpoint, quantized by round-to-nearest while loading. */
  quantizeOnLoad(source: TensorSource, modules: readonly string[], options: FormatOptions): Weight;
  /** Slow, exact and in TypeScript: canonical tensors of a BF16 matrix by round-to-nearest. */
  quantize(
    weight: Uint16Array,
    rows: number,
    columns: number,
    options: FormatOptions,
  ): CanonicalTensors;
  /** Slow, exact and in TypeScript: what canonical tensors stand for. The oracle of the kernels. */
  dequantize(
    tensors: CanonicalTensors,
    rows: number,
    columns: number,
    options: FormatOptions,
  ): Matrix;
  /**
   * Slow, exact and in TypeScript: what the kernel makes of activations (BF16 [rows, columns]) before
   * it multiplies; absent when it takes them as they are.
   */
  roundActivations?(x: Uint16Array, rows: number, columns: number, options: FormatOptions): Matrix;
}
