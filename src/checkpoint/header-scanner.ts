/**
 * Reads the JSON of a safetensors header literally. `JSON.parse` will not do: it drops duplicate keys
 * and rounds large integers, and the format forbids the ones and depends on the others.
 */
import { QuantlabError } from "../base/errors.ts";

const maxSafeDigits = String(Number.MAX_SAFE_INTEGER).length;

/** A cursor over JSON text that knows objects, arrays, strings and non-negative whole numbers. */
export class HeaderScanner {
  readonly #text: string;
  readonly #label: string;
  #at = 0;

  /** @param label of the file, for messages */
  constructor(text: string, label: string) {
    this.#text = text;
    this.#label = label;
  }

  /** Calls `member` with each key of an object, the cursor on its value. Refuses a key given twice. */
  object(member: (key: string) => void): void {
    const seen = new Set<string>();
    this.#sequence("{", "}", () => {
      const key = this.string();
      if (seen.has(key)) this.fail(`the key ${JSON.stringify(key)} is there twice`);
      seen.add(key);
      this.#expect(":");
      member(key);
    });
  }

  /** Whole numbers in brackets. */
  integers(maxCount: number): number[] {
    const values: number[] = [];
    this.#sequence("[", "]", () => {
      if (values.length === maxCount) this.fail(`there are more than ${maxCount} numbers`);
      values.push(this.#integer());
    });
    return values;
  }

  string(): string {
    this.#expect('"');
    const start = this.#at - 1;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      // NaN at the end of the text fails both comparisons below it.
      if (!(code >= 0x20)) this.fail("a string does not end, or holds a control character");
      this.#at++;
      if (code === 0x22) break;
      if (code === 0x5c) this.#at++;
    }
    const literal = this.#text.slice(start, this.#at);
    if (!literal.includes("\\")) return literal.slice(1, -1);
    let value: unknown;
    try {
      value = JSON.parse(literal);
    } catch {
      this.fail(`${literal} has a wrong escape`);
    }
    if (typeof value !== "string" || /\p{Surrogate}/u.test(value)) {
      this.fail(`${literal} has half a surrogate pair`);
    }
    return value;
  }

  /** Nothing but white space is left. */
  end(): void {
    this.#skipSpace();
    if (this.#at !== this.#text.length) this.fail(`${this.#found()} follows the header's object`);
  }

  fail(what: string): never {
    throw new QuantlabError(
      "checkpoint-malformed",
      `${this.#label}: safetensors header, character ${this.#at}: ${what}`,
      { hint: "the file is damaged or was cut short; download or write it again" },
    );
  }

  #integer(): number {
    this.#skipSpace();
    const start = this.#at;
    while (/[0-9+\-.eE]/.test(this.#text.charAt(this.#at))) this.#at++;
    const literal = this.#text.slice(start, this.#at);
    if (literal === "") this.fail(`${this.#found()} where a number was expected`);
    const value = Number(literal);
    const whole = /^(0|[1-9][0-9]*)$/.test(literal) && literal.length <= maxSafeDigits;
    if (!whole || !Number.isSafeInteger(value)) {
      this.fail(`${literal.slice(0, 40)} is not a whole number from 0 to 2^53 - 1`);
    }
    return value;
  }

  #sequence(open: string, close: string, item: () => void): void {
    this.#expect(open);
    this.#skipSpace();
    if (this.#text.charAt(this.#at) === close) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#skipSpace();
      const next = this.#text.charAt(this.#at);
      if (next !== close && next !== ",") {
        this.fail(`${this.#found()} where "," or "${close}" was expected`);
      }
      this.#at++;
      if (next === close) return;
    }
  }

  #expect(character: string): void {
    this.#skipSpace();
    if (this.#text.charAt(this.#at) !== character) {
      this.fail(`${this.#found()} where ${JSON.stringify(character)} was expected`);
    }
    this.#at++;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return;
      this.#at++;
    }
  }

  #found(): string {
    return this.#at < this.#text.length
      ? JSON.stringify(this.#text.charAt(this.#at))
      : "the end of the header";
  }
}
