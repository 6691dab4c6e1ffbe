/** What two rows of one model say to the same text, token by token: raw columns of one length. */

export interface DivergenceColumns {
  /** Window of the text that the token stands in; windows are independent contexts. */
  readonly window: Int32Array;
  /** ln of the probability that the reference gives to the token that stands there. */
  readonly referenceLogProb: Float64Array;
  /** The same of the other row. */
  readonly logProb: Float64Array;
  /** Kullback-Leibler divergence of the whole distribution, reference against other, in nats. */
  readonly kl: Float64Array;
  /** 1 where both find the same token most likely. */
  readonly sameTop: Uint8Array;
}
