/** AWQ's search: which input channels to scale up before rounding, and where to cut outliers. */
import { kernels, type ScaledMatrixArguments } from "../../kernels/binding.ts";
import type { Activations, BlockLinear, LinearGroup } from "../block.ts";
import { sampleRows } from "../sample.ts";

/** Candidates 0, 0.05, ... 0.95 of the exponent alpha, as in AutoAWQ. */
const gridSize = 20;

/** Tokens, and outputs, that the scale search looks at; both spread evenly over what there is. */
const searchTokens = 512;
const searchRows = 2048;

/** Tokens of the Gram matrices that limits and codes are searched with. */
const gramTokens = 8192;

/** What every call of the search shares. */
export interface SearchSettings {
  readonly groupSize: number;
  /** Dtype that group scales are rounded to. */
  readonly scales: "f16" | "bf16";
  readonly symmetric: boolean;
}

/** A linear with the factors that its columns and rows are multiplied by before rounding. */
export interface ScaledLinear {
  readonly linear: BlockLinear;
  columnScale: Float32Array;
  rowScale: Float32Array;
}

export function nativeArguments(
  { linear, columnScale, rowScale }: ScaledLinear,
  settings: SearchSettings,
): ScaledMatrixArguments {
  const { weight, rows, columns } = linear;
  const { groupSize, scales, symmetric } = settings;
  return [weight, rows, columns, columnScale, rowScale, groupSize, scales, symmetric];
}

const ones = (count: number) => new Float32Array(count).fill(1);

export const unscaled = (linear: BlockLinear): ScaledLinear => ({
  linear,
  columnScale: ones(linear.columns),
  rowScale: ones(linear.rows),
});

/** Mean over tokens of the magnitude of each input channel. */
export function meanMagnitudes({ tokens, values }: Activations, columns: number): Float32Array {
  const sums = new Float32Array(columns);
  kernels.addMagnitudes(values, tokens, columns, 0, sums);
  return sums.map((sum) => sum / tokens);
}

/** Mean over the outputs of all linears of |w| relative to the largest of its group. */
function weightMagnitudes(linears: readonly BlockLinear[], groupSize: number): Float32Array {
  const columns = linears[0]?.columns ?? 0;
  const sums = new Float32Array(columns);
  for (const { weight, rows } of linears) {
    kernels.addMagnitudes(weight, rows, columns, groupSize, sums);
  }
  const rows = linears.reduce((sum, linear) => sum + linear.rows, 0);
  return sums.map((sum) => sum / rows);
}

/**
 * Column scales of one exponent: x^alpha / (w^(1 - alpha) + 1e-4), of which the largest and the
 * smallest are made each other's reciprocals. Source: AutoAWQ's "duo scaling".
 */
function candidate(x: Float32Array, w: Float32Array, alpha: number): Float32Array {
  const scales = x.map((mean, k) => {
    const scale = mean ** alpha / ((w[k] ?? 0) ** (1 - alpha) + 1e-4);
    return Math.max(scale, 1e-4);
  });
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const scale of scales) {
    low = Math.min(low, scale);
    high = Math.max(high, scale);
  }
  const middle = Math.sqrt(low * high);
  return scales.map((scale) => {
    const normalized = scale / middle;
    return Number.isFinite(normalized) && normalized > 0 ? normalized : 1;
  });
}

export interface ScaleChoice {
  /** undefined: no candidate beat the matrix as it is. */
  readonly alpha: number | undefined;
  readonly columnScale: Float32Array;
  /** Squared error of the outputs, and the same without column scales. */
  readonly error: number;
  readonly plainError: number;
}

/**
 * The candidate with the smallest squared error of the group's outputs on the calibration inputs, or
 * none. This is the objective of the AWQ paper (Lin et al. 2023, equation 4); its reference code
 * looks at the outputs of the whole attention and MLP instead, which costs a forward a candidate.
 */
export function searchScales(
  group: LinearGroup,
  input: Activations,
  settings: SearchSettings,
): ScaleChoice {
  const columns = group.linears[0]?.columns ?? 0;
  const x = sampleRows(input.values, input.tokens, columns, searchTokens);
  const totalRows = group.linears.reduce((sum, linear) => sum + linear.rows, 0);
  const samples = group.linears.map((linear) => {
    const wanted = Math.max(1, Math.round((linear.rows * searchRows) / totalRows));
    const { values, rows } = sampleRows(linear.weight, linear.rows, columns, wanted);
    return { ...linear, weight: values, rows };
  });
  const errorOf = (columnScale: Float32Array): number =>
    samples.reduce((sum, sample) => {
      const scaled = { linear: sample, columnScale, rowScale: ones(sample.rows) };
      return sum + kernels.outputError(...nativeArguments(scaled, settings), x.values, x.rows);
    }, 0);
  const means = meanMagnitudes(input, columns);
  const magnitudes = weightMagnitudes(group.linears, settings.groupSize);
  const plain = ones(columns);
  const plainError = errorOf(plain);
  let best: ScaleChoice = { alpha: undefined, columnScale: plain, error: plainError, plainError };
  for (let i = 0; i < gridSize; i++) {
    const alpha = i / gridSize;
    const columnScale = candidate(means, magnitudes, alpha);
    const error = errorOf(columnScale);
    if (error < best.error) best = { alpha, columnScale, error, plainError };
  }
  return best;
}

/** Gram matrices of a group's inputs, `width` columns each. */
export function gramOf(input: Activations, columns: number, width: number): Float32Array {
  const { values, rows } = sampleRows(input.values, input.tokens, columns, gramTokens);
  const gram = new Float32Array(columns * width);
  kernels.addGram(values, rows, columns, width, gram);
  return gram;
}

/** The widest blocks of whole groups whose errors can cancel each other. */
export function descentWidth(columns: number, groupSize: number): number {
  const widths = [512, 384, 256, 192, 128, 96, 64, 32];
  const fits = (width: number) => columns % width === 0 && width % groupSize === 0;
  return widths.find((width) => fits(width)) ?? groupSize;
}

/** Where to cut the values of each group of each row. */
export function limitsOf(
  scaled: ScaledLinear,
  gram: Float32Array,
  settings: SearchSettings,
): Float32Array {
  const limit = new Float32Array((scaled.linear.rows * scaled.linear.columns) / settings.groupSize);
  kernels.searchLimits(...nativeArguments(scaled, settings), gram, limit);
  return limit;
}
