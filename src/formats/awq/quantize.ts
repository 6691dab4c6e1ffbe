/** INT4 quantization by round-to-nearest in F16, per group of columns, with zero points. */
import { QuantlabError } from "../../base/errors.ts";
import { bf16ToFloat, f16ToFloat, floatToF16, roundHalfEven, roundToF16 } from "../float16.ts";

const { fround } = Math;

/** Smallest range of a group, 1e-5 in F16: an all-zero group still gets a scale above zero. */
const minRange = roundToF16(1e-5);

export interface AwqTensors {
  /** 0..15, [rows, columns]. */
  readonly codes: Uint8Array;
  /** F16 bits, [rows, columns / groupSize]. */
  readonly scale: Uint16Array;
  /** 0..15, [rows, columns / groupSize]. */
  readonly zero: Uint8Array;
}

function clamp15(value: number): number {
  return Math.min(15, Math.max(0, value));
}

/** Weights in F16, as AutoAWQ holds them. */
function toF16(weight: Uint16Array, columns: number): Float32Array {
  return Float32Array.from(weight, (bits, i) => {
    const value = roundToF16(bf16ToFloat(bits));
    if (Number.isFinite(value)) return value;
    throw new QuantlabError(
      "format-unsupported",
      `row ${Math.floor(i / columns)} holds ${bf16ToFloat(bits)}; awq quantizes finite values of at most 65504`,
    );
  });
}

/** Scale bits and zero point of one group: what its codes are counted in and from. */
type GroupParameters = (group: Float32Array) => { scaleBits: number; zero: number };

/** The middle code, which stands for 0 in symmetric groups. */
export const middleCode = 8;

/** Of -8..7 times the scale, 7.5 is the largest magnitude: 7 cuts a little, 8 would waste a step. */
const symmetric: GroupParameters = (group) => {
  const largest = group.reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 0);
  const range = Math.max(roundToF16(fround(2 * largest)), minRange);
  return { scaleBits: floatToF16(fround(range / 15)), zero: middleCode };
};

/** The range is extended to include 0. */
const asymmetric: GroupParameters = (group) => {
  let low = 0;
  let high = 0;
  for (const value of group) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const range = Math.max(roundToF16(fround(high - low)), minRange);
  const scaleBits = floatToF16(fround(range / 15));
  const scale = f16ToFloat(scaleBits);
  const zero = clamp15(0 - roundHalfEven(roundToF16(fround(low / scale))));
  return { scaleBits, zero };
};

/**
 * AutoAWQ's arithmetic (each step rounded to F16): scale = (max - min) / 15,
 * zero = clamp(-round(min / scale)), code = clamp(round(w / scale) + zero), ties to even; the range
 * is first extended to include 0, without which a group of one sign loses its values. Symmetric
 * groups have scale = max |w| / 7.5 and zero 8, as in compressed-tensors.
 * @throws format-unsupported on values that F16 cannot hold
 */
export function quantizeGroups(
  weight: Uint16Array,
  rows: number,
  columns: number,
  groupSize: number,
  isSymmetric = false,
): AwqTensors {
  const values = toF16(weight, columns);
  const parametersOf = isSymmetric ? symmetric : asymmetric;
  const groups = columns / groupSize;
  const codes = new Uint8Array(rows * columns);
  const scale = new Uint16Array(rows * groups);
  const zero = new Uint8Array(rows * groups);
  for (let g = 0; g < rows * groups; g++) {
    const group = values.subarray(g * groupSize, (g + 1) * groupSize);
    const parameters = parametersOf(group);
    const step = f16ToFloat(parameters.scaleBits);
    scale[g] = parameters.scaleBits;
    zero[g] = parameters.zero;
    for (let i = 0; i < groupSize; i++) {
      const quotient = roundHalfEven(roundToF16(fround((group[i] ?? 0) / step)));
      codes[g * groupSize + i] = clamp15(quotient + parameters.zero);
    }
  }
  return { codes, scale, zero };
}

/** w = (code - zero) * scale, exact in FP32. */
export function dequantizeGroups(tensors: AwqTensors, groupSize: number): Float32Array {
  const { codes, scale, zero } = tensors;
  return Float32Array.from(codes, (code, i) => {
    const g = Math.floor(i / groupSize);
    return (code - (zero[g] ?? 0)) * f16ToFloat(scale[g] ?? 0);
  });
}
