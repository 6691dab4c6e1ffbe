/**
 * The stand-in tokenizer of untrained weights. It belongs to no published model: a text has as many
 * tokens as it has UTF-8 bytes, so that prompt lengths are exact and need no tokenizer file.
 */
import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

const firstWrittenId = 256;
const written = /⟨([1-9][0-9]{2,})⟩/gu;

/**
 * Ids below 256 are bytes; every other id n is written ⟨n⟩, which `encode` reads back as n. Adds no
 * special tokens. No two ids have the same text, except those that are half of a character.
 */
export class ByteTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  readonly genuine = false;
  readonly #special: ReadonlySet<number>;

  /** @param vocabSize at least 256 */
  constructor(vocabSize: number, bosId: number | undefined, eosIds: readonly number[]) {
    this.vocabSize = vocabSize;
    this.bosId = bosId;
    this.eosIds = eosIds;
    this.#special = new Set(bosId === undefined ? eosIds : [bosId, ...eosIds]);
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    let at = 0;
    for (const match of text.matchAll(written)) {
      const id = Number(match[1]);
      if (id < firstWrittenId || id >= this.vocabSize) continue;
      pushBytes(ids, text.slice(at, match.index));
      ids.push(id);
      at = match.index + match[0].length;
    }
    pushBytes(ids, text.slice(at));
    return ids;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const skip = options.skipSpecialTokens ?? true;
    let text = "";
    let bytes: number[] = [];
    for (const id of ids) {
      if (id < 0 || id >= this.vocabSize || (skip && this.#special.has(id))) continue;
      if (id < firstWrittenId) {
        bytes.push(id);
        continue;
      }
      text += `${decodeBytes(bytes)}⟨${id}⟩`;
      bytes = [];
    }
    return text + decodeBytes(bytes);
  }
}

function pushBytes(ids: number[], text: string): void {
  for (const byte of Buffer.from(text)) ids.push(byte);
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function decodeBytes(bytes: readonly number[]): string {
  return bytes.length === 0 ? "" : utf8.decode(Uint8Array.from(bytes));
}
