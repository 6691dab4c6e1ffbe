/** What a tokenizer is to the rest: text to token ids and back, and which ids are special. */

export interface EncodeOptions {
  /** Whether the tokenizer's own post-processing adds its BOS or EOS; default true, false for chats. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Whether BOS, EOS and their like are left out; default true. */
  readonly skipSpecialTokens?: boolean;
}

export interface Tokenizer {
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of a whole sequence; bytes that are not UTF-8 become U+FFFD, ids without a token nothing. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Ids below it may come out of the model. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** A sequence ends on any of these. */
  readonly eosIds: readonly number[];
  /** Whether it belongs to the checkpoint; false for the stand-in of dummy weights. */
  readonly genuine: boolean;
}
