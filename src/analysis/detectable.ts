/** What a number of questions can show: the smallest difference it detects, and how many a difference needs. */
import { binomialMass } from "./binomial.ts";
import { normal95 } from "./paired.ts";

/** Normal quantile of 80 % power. */
const normal80 = 0.8416212335729143;
const power = 0.8;
const significance = 0.05;

/**
 * Smallest true difference that a two-sided 5 % test on `n` pairs finds with 80 % power, in the
 * large-sample approximation (Connor 1987).
 * @param disagreement share of questions on which the two rows disagree
 * @returns undefined when no difference possible at this disagreement reaches the power
 */
export function detectableDifference(n: number, disagreement: number): number | undefined {
  const q = disagreement;
  const excess = (delta: number) => delta * Math.sqrt(n) - neededRoot(q, delta);
  if (excess(q) < 0) return undefined;
  return bisect(0, q, (delta) => excess(delta) >= 0);
}

/** sqrt(n) times delta must reach this. */
function neededRoot(q: number, delta: number): number {
  return normal95 * Math.sqrt(q) + normal80 * Math.sqrt(Math.max(0, q - delta * delta));
}

/** The same for the exact McNemar test, whose power is summed over every outcome. */
export function exactDetectableDifference(n: number, disagreement: number): number | undefined {
  const reaches = (delta: number) => exactPower(n, disagreement, delta) >= power;
  return reaches(disagreement) ? bisect(0, disagreement, reaches) : undefined;
}

/**
 * Questions needed to see `delta` with 80 % power at this disagreement; in the large-sample
 * approximation. A difference cannot exceed the disagreement: where it would, the disagreement is
 * taken to be the difference.
 */
export function questionsNeeded(delta: number, disagreement: number): number {
  const q = Math.max(delta, disagreement);
  return Math.ceil((neededRoot(q, delta) / delta) ** 2);
}

/** Probability that the exact test on `n` pairs gives p <= 5 %; with delta 0, that of a false alarm. */
export function exactPower(n: number, disagreement: number, delta: number): number {
  if (disagreement <= 0) return 0;
  const toFirst = (disagreement + delta) / (2 * disagreement);
  let total = 0;
  for (let m = 0; m <= n; m++) {
    const weight = binomialMass(n, m, disagreement);
    // Outcomes this rare cannot change the fourth digit.
    if (weight < 1e-12) continue;
    const fewest = largestSignificant(m);
    let reject = 0;
    for (let s = 0; s <= fewest; s++) {
      reject += binomialMass(m, s, toFirst) + binomialMass(m, m - s, toFirst);
    }
    total += weight * reject;
  }
  return total;
}

const largestByDiscordant = new Map<number, number>();

/** Largest minority count that is significant among `m` disagreements; -1 when none is. */
export function largestSignificant(m: number): number {
  const known = largestByDiscordant.get(m);
  if (known !== undefined) return known;
  let tail = 0;
  let found = -1;
  for (let s = 0; 2 * s < m; s++) {
    tail += binomialMass(m, s, 0.5);
    // Logarithms leave a hair of error on probabilities that are exact fractions.
    if (2 * tail > significance + 1e-12) break;
    found = s;
  }
  largestByDiscordant.set(m, found);
  return found;
}

/** The point at which a rising condition becomes true. */
function bisect(low: number, high: number, isTrue: (x: number) => boolean): number {
  let [below, above] = [low, high];
  for (let step = 0; step < 50 && above - below > 1e-7; step++) {
    const middle = (below + above) / 2;
    if (isTrue(middle)) above = middle;
    else below = middle;
  }
  return above;
}
