/** Runs two rows of a model over the same windows of text and compares their distributions at every token. */
import { QuantlabError } from "../../base/errors.ts";
import type { DivergenceColumns } from "../../metrics/divergence-record.ts";

/** A model that tells the logits after every token of a context. */
export interface LogitsSource {
  readonly vocabSize: number;
  /** FP32 [vocabSize] after each token, in order; each valid until the next is asked for. */
  logitsOf(tokens: readonly number[]): Iterable<Float32Array>;
}

export interface Windows {
  /** Each a context of its own, its prefix included. */
  readonly windows: readonly (readonly number[])[];
  /** Tokens scored: all that have something in front of them. */
  readonly scored: number;
}

/**
 * Consecutive windows of `size` tokens; what is left over at the end is not used.
 * @param prefix in front of each window, for example BOS
 * @throws dataset-invalid when the text does not fill one window
 */
export function cutWindows(
  tokens: readonly number[],
  size: number,
  limit: number,
  prefix: readonly number[],
): Windows {
  const count = Math.floor(Math.min(tokens.length, limit) / size);
  if (count === 0) {
    throw new QuantlabError(
      "dataset-invalid",
      `the text has ${tokens.length} tokens, but one window takes ${size}`,
      { hint: "give a longer --text-path, or a smaller --window and --tokens" },
    );
  }
  const windows = Array.from({ length: count }, (_, i) => [
    ...prefix,
    ...tokens.slice(i * size, (i + 1) * size),
  ]);
  return { windows, scored: windows.length * (size + prefix.length - 1) };
}

/**
 * Both rows go through each window together, so that no logits are kept.
 * @throws checkpoint-mismatch when their vocabularies differ
 */
export function measureDivergence(
  reference: LogitsSource,
  other: LogitsSource,
  { windows, scored }: Windows,
  onProgress: (done: number, total: number) => void = () => {},
): DivergenceColumns {
  if (reference.vocabSize !== other.vocabSize) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `the vocabularies have ${reference.vocabSize} and ${other.vocabSize} tokens`,
      { hint: "divergence compares formats of one model" },
    );
  }
  const columns = {
    window: new Int32Array(scored),
    referenceLogProb: new Float64Array(scored),
    logProb: new Float64Array(scored),
    kl: new Float64Array(scored),
    sameTop: new Uint8Array(scored),
  };
  let row = 0;
  for (const [index, tokens] of windows.entries()) {
    const theirs = other.logitsOf(tokens)[Symbol.iterator]();
    let position = 0;
    for (const logits of reference.logitsOf(tokens)) {
      const next = theirs.next();
      const token = tokens[++position];
      // The last token has no successor to be scored.
      if (next.done === true || token === undefined) break;
      const found = compareRow(logits, next.value, token);
      columns.window[row] = index;
      columns.referenceLogProb[row] = found.referenceLogProb;
      columns.logProb[row] = found.logProb;
      columns.kl[row] = found.kl;
      columns.sameTop[row] = found.sameTop ? 1 : 0;
      row++;
    }
    onProgress(index + 1, windows.length);
  }
  return columns;
}

export interface RowComparison {
  readonly referenceLogProb: number;
  readonly logProb: number;
  readonly kl: number;
  readonly sameTop: boolean;
}

/** One distribution against another, in doubles. */
export function compareRow(
  reference: Float32Array,
  other: Float32Array,
  token: number,
): RowComparison {
  const a = normalizer(reference);
  const b = normalizer(other);
  let kl = 0;
  for (let i = 0; i < reference.length; i++) {
    const logP = (reference[i] as number) - a.logSum;
    const p = Math.exp(logP);
    if (p > 0) kl += p * (logP - ((other[i] as number) - b.logSum));
  }
  return {
    referenceLogProb: (reference[token] as number) - a.logSum,
    logProb: (other[token] as number) - b.logSum,
    // Equal distributions may come out a rounding error below 0.
    kl: Math.max(0, kl),
    sameTop: a.top === b.top,
  };
}

/** ln of the sum of exponentials, and the most likely token (the lowest id wins a tie). */
function normalizer(logits: Float32Array): { logSum: number; top: number } {
  let top = 0;
  for (let i = 1; i < logits.length; i++) {
    if ((logits[i] as number) > (logits[top] as number)) top = i;
  }
  const largest = logits[top] as number;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - largest);
  return { logSum: largest + Math.log(sum), top };
}
