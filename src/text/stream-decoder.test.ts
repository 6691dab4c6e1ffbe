import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { ByteTokenizer } from "./byte-tokenizer.ts";
import { JsonTokenizer } from "./json-tokenizer.ts";
import { StreamDecoder, type StreamDecoderOptions } from "./stream-decoder.ts";
import type { Tokenizer } from "./tokenizer.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/tokenizers", import.meta.url));
const read = (name: string) =>
  JsonTokenizer.read(join(fixtures, name), { ...shapeConfig("tiny"), vocabSize: 520 });
const vocabularies: Record<string, Record<string, number>> = {
  "byte-level": vocabularyOf("byte-level"),
  "byte-fallback": vocabularyOf("byte-fallback"),
};

/** With the id of the token that is one byte: by its name in the vocabulary, or by its value. */
const tokenizers: [string, Tokenizer, (byte: number) => number][] = [
  ["byte-level", read("byte-level"), (byte) => idIn("byte-level", byteLevelCharacter(byte))],
  ["byte-fallback", read("byte-fallback"), (byte) => idIn("byte-fallback", byteFallbackName(byte))],
  ["stand-in", new ByteTokenizer(300, 256, [257]), (byte) => byte],
];

function vocabularyOf(name: string): Record<string, number> {
  return JSON.parse(readFileSync(join(fixtures, name, "tokenizer.json"), "utf8")).model.vocab;
}

function idIn(name: string, token: string): number {
  const id = vocabularies[name]?.[token];
  if (id === undefined) throw new Error(`${name} has no token ${token}`);
  return id;
}

function byteFallbackName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** GPT-2's alphabet: printable Latin-1 stands for itself, the others follow from U+0100 in order. */
function byteLevelCharacter(byte: number): string {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b < 256 && b !== 173);
  if (printable(byte)) return String.fromCharCode(byte);
  let before = 0;
  for (let b = 0; b < byte; b++) if (!printable(b)) before++;
  return String.fromCharCode(256 + before);
}

function stream(tokenizer: Tokenizer, ids: readonly number[], options: StreamDecoderOptions = {}) {
  const decoder = new StreamDecoder(tokenizer, options);
  const texts: string[] = [];
  for (const id of ids) {
    const { text, stopped } = decoder.push(id);
    texts.push(text);
    if (stopped !== undefined) return { texts, stopped };
  }
  const { text, stopped } = decoder.finish();
  return { texts: [...texts, text], stopped };
}

describe.each(tokenizers)("streaming through the %s tokenizer", (_name, tokenizer, byteId) => {
  const anyId = fc.nat(tokenizer.vocabSize - 1);
  const ids = fc.array(anyId, { maxLength: 40 });
  const text = fc.string({ unit: "grapheme", maxLength: 30 });

  it("gives the full decode, whatever the tokens", () => {
    const check = (sequence: number[], skipSpecialTokens: boolean) => {
      const { texts } = stream(tokenizer, sequence, { skipSpecialTokens });
      expect(texts.join("")).toBe(tokenizer.decode(sequence, { skipSpecialTokens }));
    };
    fc.assert(fc.property(ids, fc.boolean(), check), { numRuns: 1500 });
  });

  it("gives the full decode of sequences of bytes", () => {
    // Pieces of characters, whole ones, a byte order mark, and bytes that are never UTF-8.
    const bytes = fc.constantFrom(
      0x41,
      0xe2,
      0x82,
      0xac,
      0xf0,
      0x9f,
      0x98,
      0x80,
      0xef,
      0xbb,
      0xbf,
      0xff,
    );
    const check = (sequence: number[]) => {
      const tokens = sequence.map(byteId);
      expect(stream(tokenizer, tokens).texts.join("")).toBe(tokenizer.decode(tokens));
    };
    fc.assert(fc.property(fc.array(bytes, { maxLength: 30 }), check), { numRuns: 1000 });
  });

  it("never splits a character of a text", () => {
    const check = (value: string) => {
      const sequence = tokenizer.encode(value, { addSpecialTokens: false });
      const { texts } = stream(tokenizer, sequence);
      for (const part of texts) expect(part).not.toContain("\ufffd");
    };
    fc.assert(
      fc.property(
        text.filter((value) => !value.includes("\ufffd")),
        check,
      ),
      {
        numRuns: 300,
      },
    );
  });

  it("ends before the stop string that is complete first, however the text is cut", () => {
    const stop = fc.array(
      fc.string({ unit: fc.constantFrom("a", "b", "é", " "), minLength: 1, maxLength: 3 }),
      {
        maxLength: 3,
      },
    );
    const value = fc.string({ unit: fc.constantFrom("a", "b", "c", "é", " "), maxLength: 20 });
    const check = (content: string, stops: string[]) => {
      const sequence = tokenizer.encode(content, { addSpecialTokens: false });
      const full = tokenizer.decode(sequence);
      const expected = cutAtStop(full, stops);
      const { texts, stopped } = stream(tokenizer, sequence, { stop: stops });
      expect(texts.join("")).toBe(expected.text);
      expect(stopped).toBe(expected.stopped);
    };
    fc.assert(fc.property(value, stop, check), { numRuns: 500 });
  });
});

/** Character by character, as the definition says. */
function cutAtStop(text: string, stops: readonly string[]): { text: string; stopped?: string } {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops
      .filter((stop) => text.slice(0, end).endsWith(stop))
      .sort((a, b) => b.length - a.length)[0];
    if (ending !== undefined) return { text: text.slice(0, end - ending.length), stopped: ending };
  }
  return { text };
}

describe("a stream", () => {
  const tokenizer = new ByteTokenizer(300, 256, [257]);
  const bytes = (text: string) => [...Buffer.from(text)];

  it("holds back a character until it is whole", () => {
    expect(stream(tokenizer, bytes("a€b")).texts).toEqual(["a", "", "", "€", "b", ""]);
    expect(stream(tokenizer, [0x61, 0xe2, 0x82]).texts).toEqual(["a", "", "", "\ufffd"]);
  });

  it("holds back what may begin a stop string, and gives it when it does not", () => {
    expect(stream(tokenizer, bytes("abXcabcd"), { stop: ["abcd"] })).toEqual({
      texts: ["", "", "abX", "c", "", "", "", ""],
      stopped: "abcd",
    });
    expect(stream(tokenizer, bytes("xab"), { stop: ["abcd"] }).texts).toEqual(["x", "", "", "ab"]);
  });

  it("looks for stop strings only after the minimum of tokens", () => {
    const options = { stop: ["ab"], minTokens: 3 };
    expect(stream(tokenizer, bytes("ab"), options)).toEqual({
      texts: ["a", "b", ""],
      stopped: undefined,
    });
    expect(stream(tokenizer, bytes("ababab"), options)).toEqual({
      texts: ["a", "b", "a", "b", "", ""],
      stopped: "ab",
    });
  });

  it("takes no token after its end", () => {
    const decoder = new StreamDecoder(tokenizer);
    decoder.finish();
    expect(decoder.finish()).toEqual({ text: "", stopped: undefined });
    expect(() => decoder.push(97)).toThrowError(/follows the end/);
  });
});
