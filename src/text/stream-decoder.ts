/** Token ids one by one become text that never splits a character, and stops where it is told to. */
import { assert } from "../base/errors.ts";
import { StopStrings } from "./stop-strings.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface StreamDecoderOptions {
  /** Texts that end the stream; they are not part of it. */
  readonly stop?: readonly string[];
  /** Stop strings are looked for only in the text of the tokens after this many. */
  readonly minTokens?: number;
  readonly skipSpecialTokens?: boolean;
}

export interface DecodedText {
  /** What can be sent now; empty while a character or a possible stop string is incomplete. */
  readonly text: string;
  /** The stop string that ended the stream: push no more. */
  readonly stopped: string | undefined;
}

/**
 * Text of a growing sequence. Whatever the tokens, the texts of all `push` calls and of `finish` are
 * together what `decode` gives for the whole sequence, up to the stop string.
 */
export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  readonly #minTokens: number;
  readonly #stops: StopStrings;
  /** The last tokens: those of an incomplete character, and enough before them to decode alike. */
  #window: number[] = [];
  /** Text of the window that has been handed on. */
  #done = "";
  #tokens = 0;
  #ended = false;

  constructor(tokenizer: Tokenizer, options: StreamDecoderOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens ?? true;
    this.#minTokens = options.minTokens ?? 0;
    this.#stops = new StopStrings(options.stop ?? []);
  }

  push(id: number): DecodedText {
    assert(!this.#ended, "no token follows the end of a stream");
    this.#tokens++;
    const fresh = this.#decodeNext(id);
    if (this.#tokens <= this.#minTokens) return { text: fresh, stopped: undefined };
    const result = this.#stops.push(fresh);
    this.#ended = result.stopped !== undefined;
    return result;
  }

  /** Ends the stream: what was held back, incomplete characters as U+FFFD. */
  finish(): DecodedText {
    if (this.#ended) return { text: "", stopped: undefined };
    this.#ended = true;
    const rest = this.#decode(this.#window).slice(this.#done.length);
    if (this.#tokens <= this.#minTokens) return { text: rest, stopped: undefined };
    const result = this.#stops.push(rest);
    if (result.stopped !== undefined) return result;
    return { text: result.text + this.#stops.flush(), stopped: undefined };
  }

  #decodeNext(id: number): string {
    this.#window.push(id);
    const text = this.#decode(this.#window);
    // Only a last U+FFFD that is new may be a character that is still to be completed.
    const pending = text.endsWith("\ufffd") && text.length > this.#done.length;
    const complete = pending ? text.slice(0, -1) : text;
    const fresh = complete.slice(this.#done.length);
    this.#done = complete;
    if (!pending) this.#shrink();
    return fresh;
  }

  /**
   * Between two characters the past matters only by being there (some decoders strip the space at the
   * beginning of a text): the last tokens that have a text of their own stand for all of it.
   */
  #shrink(): void {
    for (let start = this.#window.length - 1; start > 0; start--) {
      const tail = this.#window.slice(start);
      const text = this.#decode(tail);
      if (text === "") continue;
      this.#window = tail;
      this.#done = text;
      return;
    }
  }

  #decode(ids: readonly number[]): string {
    return this.#tokenizer.decode(ids, { skipSpecialTokens: this.#skipSpecialTokens });
  }
}
