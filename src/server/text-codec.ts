/** What the endpoints need of text/: prompts to token ids, tokens back to text one by one. */
import type { ChatMessage } from "../openai/requests.ts";

export interface TextCodec {
  /** @param addSpecialTokens whether the tokenizer's own prefix (BOS) goes before the text */
  encode(text: string, addSpecialTokens: boolean): readonly number[];
  /** The prompt of a conversation, up to where the assistant answers. */
  encodeChat(messages: readonly ChatMessage[]): readonly number[];
  /** Text of some tokens, special ones included; bytes that are no whole character become U+FFFD. */
  decode(tokenIds: readonly number[]): string;
  /** @param stop strings that end the text and do not appear in it */
  createDecoder(stop: readonly string[]): TokenDecoder;
}

/** Turns one sequence's tokens into whole characters; holds back what may be part of a stop string. */
export interface TokenDecoder {
  push(tokenId: number): DecodedPiece;
  /** What was held back, once no token follows. */
  finish(): string;
}

export interface DecodedPiece {
  readonly text: string;
  /** A stop string is complete: the text ends here. */
  readonly stopped: boolean;
}
