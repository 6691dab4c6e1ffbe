/** Binomial probabilities by their logarithms, so that 2^-2000 does not vanish. */

const logFactorials: number[] = [0];

/** ln n!, summed once and kept: n is a number of questions. */
export function logFactorial(n: number): number {
  for (let k = logFactorials.length; k <= n; k++) {
    logFactorials.push((logFactorials[k - 1] as number) + Math.log(k));
  }
  return logFactorials[n] as number;
}

/** P(X = k) for X of n draws with probability p. */
export function binomialMass(n: number, k: number, p: number): number {
  if (p <= 0) return k === 0 ? 1 : 0;
  if (p >= 1) return k === n ? 1 : 0;
  const logChoose = logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  return Math.exp(logChoose + k * Math.log(p) + (n - k) * Math.log1p(-p));
}
