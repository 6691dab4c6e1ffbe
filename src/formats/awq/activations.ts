/** What the awq kernel makes of activations: fixed point, a group of columns at a time. */
import { bf16ToFloat, roundHalfEven } from "../float16.ts";

/** Whole numbers, and the power of two that each is multiplied by. */
export interface FixedPoint {
  readonly numbers: Int32Array;
  readonly scale: number;
}

/** The leading bit of a group's largest number. */
const largestBit = 13;
/** Exponent of the smallest normal number: subnormal groups share its grid, and are exact on it. */
const smallestExponent = -126;

/**
 * One group of BF16 patterns as fixed point: the scale is 2^(e - 13), e the exponent of the largest
 * magnitude, so that numbers are below 2^14. A BF16 number has 8 bits: magnitudes down to 2^-6 of 2^e are
 * whole multiples of the scale, and exact. A smaller one is off by at most half the scale, 2^(e - 14): what
 * BF16's own rounding costs a value of 2^(e - 6), and a 64th of what it costs the largest. So a product is off by
 * at most half a scale times the sum of |code - zero| * weight scale, over the group's smaller values. A NaN or
 * infinity makes all numbers 0 and the scale NaN.
 */
export function fixedPoint(patterns: Uint16Array): FixedPoint {
  const values = Float64Array.from(patterns, bf16ToFloat);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const numbers = new Int32Array(values.length);
  if (!Number.isFinite(largest)) return { numbers, scale: Number.NaN };
  let exponent = smallestExponent;
  while (2 ** (exponent + 1) <= largest) exponent++;
  const scale = 2 ** (exponent - largestBit);
  return { numbers: numbers.map((_, i) => roundHalfEven((values[i] ?? 0) / scale)), scale };
}

/** The values that fixed point stands for, [rows, columns]. */
export function fixedPointRows(x: Uint16Array, groupSize: number): Float32Array {
  const values = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += groupSize) {
    const { numbers, scale } = fixedPoint(x.subarray(start, start + groupSize));
    values.set(
      Float32Array.from(numbers, (number) => number * scale),
      start,
    );
  }
  return values;
}
