/**
 * Every op, slow and obvious: the oracle of the kernels' tests. Sums are FP64 and everything else
 * is as binding.ts says, so a kernel may differ by its FP32 rounding and no more.
 */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of a BF16 bit pattern. */
export function fromBf16(pattern: number): number {
  bits[0] = pattern << 16;
  return float[0] ?? 0;
}

/** The nearest BF16 pattern, ties to even; NaN stays NaN with the quiet bit set. */
export function toBf16(value: number): number {
  float[0] = value;
  const raw = bits[0] ?? 0;
  if ((raw & 0x7fffffff) > 0x7f800000) return (raw >>> 16) | 0x40;
  const lower = raw >>> 16;
  const rest = raw & 0xffff;
  const up = rest > 0x8000 || (rest === 0x8000 && (lower & 1) === 1);
  return up ? lower + 1 : lower;
}

/** A value rounded to BF16. */
export function roundToBf16(value: number): number {
  return fromBf16(toBf16(value));
}

/** BF16 patterns of values. */
export function bf16Array(values: Iterable<number>): Uint16Array {
  return Uint16Array.from(values, toBf16);
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} of ${values.length}`);
  return value;
}

const bf16At = (patterns: Uint16Array, index: number): number => fromBf16(at(patterns, index));

/** One row: bf16(bf16(x * rsqrt(mean(x^2) + eps)) * weight). Values, not patterns. */
export function rmsNormRow(x: readonly number[], weight: Uint16Array, eps: number): number[] {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(mean + Math.fround(eps));
  return x.map((value, i) => roundToBf16(roundToBf16(value * scale) * bf16At(weight, i)));
}

/** residual + x in BF16, elementwise; patterns. */
export function addBf16(a: Uint16Array, b: Uint16Array): Uint16Array {
  return a.map((pattern, i) => toBf16(fromBf16(pattern) + bf16At(b, i)));
}

/** bf16(bf16(silu(gate)) * up). */
export function siluMultiply(gate: number, up: number): number {
  return roundToBf16(roundToBf16(gate / (1 + Math.exp(-gate))) * up);
}

/** RoPE of one head, half-split, at `position`; the angle is FP32. */
export function rotate(
  head: readonly number[],
  position: number,
  inverseFrequencies: Float32Array,
): number[] {
  const half = head.length / 2;
  return head.map((value, i) => {
    const angle = Math.fround(position * at(inverseFrequencies, i % half));
    const cosine = Math.fround(Math.cos(angle));
    const sine = Math.fround(Math.sin(angle));
    return i < half
      ? roundToBf16(value * cosine - at(head, i + half) * sine)
      : roundToBf16(value * cosine + at(head, i - half) * sine);
  });
}

/** softmax(scale * query . keys) times values: one query head of one token over what it may see. */
export function attend(
  query: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
): number[] {
  const scale = 1 / Math.sqrt(query.length);
  const scores = keys.map((key) => scale * query.reduce((sum, q, i) => sum + q * at(key, i), 0));
  const top = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return query.map((_, d) =>
    weights.reduce((sum, weight, i) => sum + (weight / total) * at(values[i] ?? [], d), 0),
  );
}

/** The magnitudes of the E4M3 codes 0x00 to 0x7E, in order; 0x7F is NaN. */
const e4m3Magnitudes = Array.from({ length: 127 }, (_, code) => {
  const [exponent, mantissa] = [code >> 3, code & 7];
  return exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
});

/** The nearest E4M3 number, ties to the even code, beyond 448 the largest; NaN stays NaN. */
export function roundToE4m3(value: number): number {
  if (Number.isNaN(value)) return value;
  const magnitude = Math.min(Math.abs(value), 448);
  let best = 0;
  for (const [code, candidate] of e4m3Magnitudes.entries()) {
    const [distance, smallest] = [candidate, at(e4m3Magnitudes, best)].map((number) =>
      Math.abs(number - magnitude),
    );
    if (distance === undefined || smallest === undefined) continue;
    if (distance < smallest || (distance === smallest && code % 2 === 0)) best = code;
  }
  return Math.sign(value) * at(e4m3Magnitudes, best);
}

/** What an fp8 cache gives back of a key or value: the quotient is FP32, as in the kernel. */
export function throughFp8Cache(value: number, scale: number): number {
  return roundToE4m3(Math.fround(value / scale)) * scale;
}

/** Index of the largest; the lowest index wins a tie. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (at(logits, i) > at(logits, best)) best = i;
  return best;
}

/** A token and the interval of the distribution function that belongs to it. */
export interface Share {
  readonly token: number;
  readonly from: number;
  readonly to: number;
}

/** The distribution that `sample` draws from, tokens in order of falling probability. */
export function distribution(
  logits: ArrayLike<number>,
  temperature: number,
  topK: number,
  topP: number,
): readonly Share[] {
  const top = Math.max(...Array.from(logits));
  const order = Array.from(logits, (logit, token) => ({
    token,
    logit,
    weight: Math.exp((logit - top) / temperature),
  })).sort((a, b) => b.logit - a.logit || a.token - b.token);
  const best = topK === 0 ? order : order.slice(0, topK);
  const mass = best.reduce((sum, entry) => sum + entry.weight, 0);
  const kept: typeof best = [];
  let keptMass = 0;
  for (const entry of best) {
    if (topP < 1 && keptMass >= topP * mass) break;
    kept.push(entry);
    keptMass += entry.weight;
  }
  let from = 0;
  return kept.map(({ token, weight }) => {
    const share = { token, from, to: from + weight / keptMass };
    from = share.to;
    return share;
  });
}

/** A product, and what bounds its FP32 rounding: the sum of the products' magnitudes. */
export interface ReferenceProduct {
  readonly values: Float64Array;
  readonly magnitudes: Float64Array;
}

/** x [m, columns] times weight [rows, columns] transposed. */
export function linear(
  x: Float32Array,
  weight: Float32Array,
  m: number,
  rows: number,
  columns: number,
): ReferenceProduct {
  const values = new Float64Array(m * rows);
  const magnitudes = new Float64Array(m * rows);
  for (let i = 0; i < m; i++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      let magnitude = 0;
      for (let k = 0; k < columns; k++) {
        const product = (x[i * columns + k] ?? 0) * (weight[row * columns + k] ?? 0);
        sum += product;
        magnitude += Math.abs(product);
      }
      values[i * rows + row] = sum;
      magnitudes[i * rows + row] = magnitude;
    }
  }
  return { values, magnitudes };
}

/** One output's whole numbers, as an integer kernel reads them: 8-bit codes are one group, zero point 0. */
export interface GroupedCodes {
  readonly codes: ArrayLike<number>;
  readonly groupSize: number;
  /** One a group, as are the scales. */
  readonly zeros: ArrayLike<number>;
  readonly scales: ArrayLike<number>;
}

/**
 * One output of a product in whole numbers, bit for bit. A group's sum is exact (here in FP64, there in
 * 32-bit integers); then each step rounds once to FP32, groups in order. An integer kernel has no other
 * freedom, so it must give this under every instruction set.
 */
export function groupedProduct(
  numbers: ArrayLike<number>,
  numberScales: ArrayLike<number>,
  { codes, groupSize, zeros, scales }: GroupedCodes,
): number {
  const { fround } = Math;
  let total = 0;
  for (let group = 0; group * groupSize < codes.length; group++) {
    let sum = 0;
    const end = Math.min(codes.length, (group + 1) * groupSize);
    for (let k = group * groupSize; k < end; k++)
      sum += (at(codes, k) - at(zeros, group)) * at(numbers, k);
    const scaled = fround(fround(sum) * at(numberScales, group));
    total = fround(total + fround(scaled * at(scales, group)));
  }
  return total;
}
