/** E4M3 ("fn": no infinities, largest 448), one byte, to and from FP32. */
import { bitsFloat, floatBits, roundHalfEven } from "../float16.ts";

/** Largest finite value, code 0x7E. */
export const e4m3Max = 448;

/** S EEEE MMM, bias 7: (1 + M/8) 2^(E-7); E = 0: M 2^-9; 0x7F and 0xFF are NaN. */
export function decodeE4m3(code: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >>> 3) & 15;
  const mantissa = code & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -9;
  return sign * (1 + mantissa / 8) * 2 ** (exponent - 7);
}

/**
 * FP32 to the nearest code, ties to even, saturating at 448, infinities included ("satfinite");
 * NaN becomes 0x7F, its sign dropped.
 */
export function encodeE4m3(value: number): number {
  const bits = floatBits(value);
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7f;
  if (magnitude >= 0x43e00000) return 0x7e | sign;
  // Below 2^-6, in units of 2^-9; 8 units are exactly the code of the smallest normal.
  if (magnitude < 0x3c800000) return roundHalfEven(bitsFloat(magnitude) * 512) | sign;
  const rounded = magnitude + 0x7ffff + ((magnitude >>> 20) & 1);
  return ((rounded >>> 20) - 960) | sign;
}

/** Value of each of the 256 codes. */
export const e4m3Values: Float32Array = Float32Array.from({ length: 256 }, (_, code) =>
  decodeE4m3(code),
);
