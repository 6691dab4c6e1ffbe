/** The two 16-bit floats, BF16 and IEEE binary16 (F16), to and from FP32, by their bit patterns. */

const scratch = new DataView(new ArrayBuffer(4));

/** FP32 bits of a number. */
export function floatBits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** The number of FP32 bits. */
export function bitsFloat(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** BF16 is the upper half of FP32. */
export function bf16ToFloat(bits: number): number {
  return bitsFloat(bits * 0x10000);
}

/** Round to nearest even; NaN stays NaN with the quiet bit set; overflow goes to infinity. */
export function floatToBf16(value: number): number {
  const bits = floatBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Subnormals are kept: the smallest is 2^-24. */
export function f16ToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Round to nearest even from FP32; subnormals kept; 65520 and above goes to infinity. */
export function floatToF16(value: number): number {
  const bits = floatBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below the smallest normal, 2^-14: in units of 2^-24; 1024 units are exactly that normal's code.
  if (magnitude < 0x38800000) return sign | roundHalfEven(bitsFloat(magnitude) * 2 ** 24);
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded >>> 13) - (112 << 10));
}

/** The F16 number nearest to an FP32 value: arithmetic "in F16" is FP32 arithmetic, then this. */
export function roundToF16(value: number): number {
  return f16ToFloat(floatToF16(value));
}

/** To the nearest whole number, ties to the even one; exact below 2^52. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest < 0.5) return below;
  if (rest > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** A whole array of BF16 patterns as FP32. */
export function decodeBf16(bits: Uint16Array): Float32Array {
  const values = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = (bits[i] ?? 0) << 16;
  return new Float32Array(values.buffer);
}

/** BF16 pattern of every F16 pattern, made at first use. */
let f16ToBf16Table: Uint16Array | undefined;

/** F16 patterns to BF16 patterns, in place of a copy: 11 significant bits are rounded to 8. */
export function convertF16ToBf16(source: Uint16Array, target: Uint16Array): void {
  f16ToBf16Table ??= Uint16Array.from({ length: 65536 }, (_, code) =>
    floatToBf16(f16ToFloat(code)),
  );
  for (let i = 0; i < source.length; i++) target[i] = f16ToBf16Table[source[i] ?? 0] ?? 0;
}
