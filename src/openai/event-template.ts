/** The bytes that nearly all events of one answer have in common: an event that differs in its text alone needs no JSON parser. */

const quote = 0x22;
const backslash = 0x5c;
const firstPrintable = 0x20;

/** Text that stands in JSON as it is, whoever wrote the JSON. */
const plainText = /^[ !#-[\]-~]+$/;

/**
 * Everything before the text of an event and everything behind it. Another event with the same two,
 * and a JSON string between them, is the same JSON with another text.
 */
export class EventTemplate {
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;
  /** Of the text found last, as bytes of a JSON string. */
  #textStart = 0;
  #textEnd = 0;
  #hasEscape = false;

  private constructor(before: Uint8Array, after: Uint8Array) {
    this.#before = before;
    this.#after = after;
  }

  /**
   * @param raw the whole event with its line breaks
   * @param text what its only choice says
   * @returns undefined where the place of the text is not beyond doubt
   */
  static of(raw: Buffer, text: string): EventTemplate | undefined {
    if (!plainText.test(text)) return undefined;
    const wire = raw.toString("latin1");
    for (const key of ['"text"', '"content"']) {
      const at = wire.indexOf(key);
      if (at < 0) continue;
      const value = /^\s*:\s*"/.exec(wire.slice(at + key.length))?.[0];
      // A quote within a JSON string is escaped, so this can only be a key; it must be the only one.
      if (value === undefined || wire.indexOf(key, at + 1) >= 0) return undefined;
      const start = at + key.length + value.length;
      const end = start + text.length;
      if (wire.slice(start, end) !== text || raw[end] !== quote) return undefined;
      return new EventTemplate(
        Uint8Array.from(raw.subarray(0, start)),
        Uint8Array.from(raw.subarray(end)),
      );
    }
    return undefined;
  }

  /** @returns the offset behind the event that begins at `at`, -1 if it is not of this shape */
  match(bytes: Uint8Array, at: number): number {
    const start = at + this.#before.length;
    if (!isAt(this.#before, bytes, at)) return -1;
    const length = bytes.length;
    let end = start;
    let hasEscape = false;
    for (let byte = bytes[end]; byte !== quote; byte = bytes[end]) {
      if (byte === undefined || byte < firstPrintable) return -1;
      if (byte === backslash) {
        hasEscape = true;
        end++;
      }
      if (++end >= length) return -1;
    }
    if (!isAt(this.#after, bytes, end)) return -1;
    this.#textStart = start;
    this.#textEnd = end;
    this.#hasEscape = hasEscape;
    return end + this.#after.length;
  }

  /** Of the event matched last; undefined when it is not a JSON string after all. */
  textIn(bytes: Buffer): string | undefined {
    const text = bytes.toString("utf8", this.#textStart, this.#textEnd);
    if (!this.#hasEscape) return text;
    try {
      return String(JSON.parse(`"${text}"`));
    } catch {
      return undefined;
    }
  }
}

/** In JavaScript: a call into native code costs more than the comparison. From the end, where events differ. */
function isAt(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (at + part.length > bytes.length) return false;
  for (let i = part.length - 1; i >= 0; i--) {
    if (part[i] !== bytes[at + i]) return false;
  }
  return true;
}
