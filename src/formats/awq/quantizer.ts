/**
 * Quantizes a block to INT4 by AWQ: scale the channels that matter, cut outliers, round; and one step
 * more than AutoAWQ takes: move codes so that their errors cancel on the calibration inputs.
 */
import { assert } from "../../base/errors.ts";
import { kernels } from "../../kernels/binding.ts";
import type {
  Activations,
  BlockLinear,
  BlockQuantizer,
  GroupChoice,
  LinearGroup,
  QuantizedBlock,
} from "../block.ts";
import { compressedTensors } from "../compressed-tensors.ts";
import { bf16ToFloat, floatToBf16 } from "../float16.ts";
import type { CanonicalMatrix, FormatOptions } from "../format.ts";
import { requireGroupSize } from "./config.ts";
import {
  descentWidth,
  gramOf,
  limitsOf,
  nativeArguments,
  type ScaledLinear,
  type SearchSettings,
  searchScales,
  unscaled,
} from "./search.ts";

/** Queries and keys meet in a product of both, where a cut outlier costs more than it saves. */
const neverCut = /\.(q_proj|k_proj)$/;

function settingsOf(options: FormatOptions): SearchSettings {
  return {
    groupSize: requireGroupSize(options.groupSize),
    // A model in compressed-tensors keeps BF16, whose loaders round the scales to it.
    scales: options.layout === compressedTensors ? "bf16" : "f16",
    symmetric: options.symmetric === true,
  };
}

/** The block's linears with what they are multiplied by so far, and the vectors that changed. */
class Folding {
  readonly #scaled = new Map<string, ScaledLinear>();
  readonly vectors = new Map<string, Uint16Array>();

  constructor(groups: readonly LinearGroup[]) {
    for (const { linears } of groups) {
      for (const linear of linears) this.#scaled.set(linear.module, unscaled(linear));
    }
  }

  of(linear: BlockLinear): ScaledLinear {
    const scaled = this.#scaled.get(linear.module);
    assert(scaled !== undefined, `${linear.module} belongs to the block`);
    return scaled;
  }

  /** Multiplies the group's columns, and divides where their input comes from. */
  apply(group: LinearGroup, wanted: Float32Array): void {
    const { producer } = group;
    assert(producer !== undefined, "scales go into a producer");
    const columnScale =
      producer.kind === "norm"
        ? this.#divideNorm(producer.module, producer.weight, wanted)
        : this.#divideRows(producer.module, wanted);
    for (const linear of group.linears) this.of(linear).columnScale = columnScale;
  }

  /** Divides a norm, and returns what it was really divided by once rounded: nothing is lost. */
  #divideNorm(module: string, weight: Uint16Array, scale: Float32Array): Float32Array {
    const divided = new Uint16Array(weight.length);
    const exact = scale.map((wanted, k) => {
      const before = bf16ToFloat(weight[k] ?? 0);
      const bits = floatToBf16(before / wanted);
      const ratio = before / bf16ToFloat(bits);
      const usable = Number.isFinite(ratio) && ratio > 0;
      divided[k] = usable ? bits : (weight[k] ?? 0);
      return usable ? ratio : 1;
    });
    this.vectors.set(`${module}.weight`, divided);
    return exact;
  }

  #divideRows(module: string, scale: Float32Array): Float32Array {
    const scaled = this.#scaled.get(module);
    assert(scaled?.linear.rows === scale.length, `${module} gives the channels that are scaled`);
    scaled.rowScale = scaled.rowScale.map((factor, row) => factor / (scale[row] ?? 1));
    const { bias } = scaled.linear;
    if (bias !== undefined) {
      const divided = bias.map((bits, row) => floatToBf16(bf16ToFloat(bits) / (scale[row] ?? 1)));
      this.vectors.set(`${module}.bias`, divided);
    }
    return scale;
  }
}

/** Codes by rounding to nearest, then moved where the inputs say that their errors should cancel. */
function round(
  scaled: ScaledLinear,
  limit: Float32Array,
  input: Activations | undefined,
  settings: SearchSettings,
) {
  const { rows, columns } = scaled.linear;
  const codes = new Uint8Array(rows * columns);
  const scale = new Uint16Array(limit.length);
  const zero = new Uint8Array(limit.length);
  kernels.quantizeInt4(...nativeArguments(scaled, settings), limit, codes, scale, zero);
  if (input !== undefined) {
    const width = descentWidth(columns, settings.groupSize);
    const gram = gramOf(input, columns, width);
    kernels.descendCodes(...nativeArguments(scaled, settings), width, gram, scale, zero, codes);
  }
  return { rows, columns, tensors: { codes, scale, zero } } satisfies CanonicalMatrix;
}

/** @throws RangeError, as the kernels do */
function requireFinite({ module, weight }: BlockLinear): void {
  for (const bits of weight) {
    if ((bits & 0x7f80) === 0x7f80) throw new RangeError(`${module} holds NaN or infinity`);
  }
}

function quantizeBlock(groups: readonly LinearGroup[], options: FormatOptions): QuantizedBlock {
  const settings = settingsOf(options);
  for (const linear of groups.flatMap(({ linears }) => linears)) requireFinite(linear);
  const folding = new Folding(groups);
  const choices: GroupChoice[] = groups.map((group) => {
    const modules = group.linears.map(({ module }) => module);
    if (group.input === undefined || group.producer === undefined) {
      return { modules, alpha: undefined, errorRatio: 1 };
    }
    const choice = searchScales(group, group.input, settings);
    if (choice.alpha !== undefined) folding.apply(group, choice.columnScale);
    const errorRatio = choice.plainError > 0 ? choice.error / choice.plainError : 1;
    return { modules, alpha: choice.alpha, errorRatio };
  });
  const matrices = new Map<string, CanonicalMatrix>();
  for (const { linears, input } of groups) {
    const columns = linears[0]?.columns ?? 0;
    const gram = input && gramOf(input, columns, settings.groupSize);
    for (const linear of linears) {
      const scaled = folding.of(linear);
      const isCut = gram !== undefined && !neverCut.test(linear.module);
      const limit = isCut
        ? limitsOf(scaled, gram, settings)
        : new Float32Array((linear.rows * columns) / settings.groupSize).fill(
            Number.POSITIVE_INFINITY,
          );
      matrices.set(linear.module, round(scaled, limit, input, settings));
    }
  }
  return { matrices, vectors: folding.vectors, choices };
}

export const awqQuantizer: BlockQuantizer = { needsCalibration: () => true, quantizeBlock };
