/** Server-sent events out of the bytes of a finished answer, each with where it was complete. */

const lf = 0x0a;
const cr = 0x0d;
const colon = 0x3a;
const space = 0x20;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The data of each event, by the rules of the standard: lines end in LF, CR LF or CR; an empty line
 * ends an event; several data lines are joined by LF; comments and other fields are passed over; an
 * event without its empty line is not one.
 */
export class SseEvents {
  readonly #bytes: Buffer;
  /** Where the next event begins; move it behind an event that was read by other means. */
  offset: number;
  #hasCr: boolean;
  /** Offset of the byte that completed the event given last. */
  endOffset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.offset = bytes.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;
    // Nearly no server sends CR: looking once saves looking at each line.
    this.#hasCr = bytes.includes(cr);
  }

  /** The next event's data; undefined at the end. */
  next(): string | undefined {
    let data: string | undefined;
    for (;;) {
      const start = this.offset;
      const end = this.#lineEnd(start);
      if (end < 0) return undefined;
      if (end > start) {
        const line = this.#dataOf(start, end);
        if (line !== undefined) data = data === undefined ? line : `${data}\n${line}`;
      } else if (data !== undefined) {
        this.endOffset = this.offset - 1;
        return data;
      }
    }
  }

  /** End of the line that begins at `start`, -1 if it has none; moves behind its line break. */
  #lineEnd(start: number): number {
    const feed = this.#bytes.indexOf(lf, start);
    const carriage = this.#hasCr ? this.#bytes.indexOf(cr, start) : -1;
    if (carriage >= 0 && (feed < 0 || carriage < feed)) {
      this.offset = carriage + (feed === carriage + 1 ? 2 : 1);
      return carriage;
    }
    if (feed < 0) return -1;
    this.offset = feed + 1;
    return feed;
  }

  /** What stands behind "data:", one space less; undefined for any other line. */
  #dataOf(start: number, end: number): string | undefined {
    const bytes = this.#bytes;
    // "data" in bytes: this runs for each line of each answer.
    const isData =
      bytes[start] === 0x64 &&
      bytes[start + 1] === 0x61 &&
      bytes[start + 2] === 0x74 &&
      bytes[start + 3] === 0x61;
    if (!isData || start + 4 > end) return undefined;
    if (start + 4 === end) return "";
    if (bytes[start + 4] !== colon) return undefined;
    const from = start + 5 + (start + 5 < end && bytes[start + 5] === space ? 1 : 0);
    return bytes.toString("utf8", from, end);
  }
}
