/** Streams the elements of a JSON file that is one big array: ShareGPT's is longer than a string may be. */
import { createReadStream } from "node:fs";
import { QuantlabError } from "../../base/errors.ts";

const quote = 0x22;
const backslash = 0x5c;
const openers = new Set([0x5b, 0x7b]);
const closers = new Set([0x5d, 0x7d]);

/**
 * Yields each element that is an object or an array, parsed; reads `pieceBytes` at a time.
 * @throws file-not-found; dataset-invalid when the file is not such an array or is cut short
 */
export async function* readJsonArray(path: string, pieceBytes = 1 << 20): AsyncGenerator<unknown> {
  const splitter = new ElementSplitter();
  try {
    for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
      for (const element of splitter.feed(piece)) yield parse(element, path);
    }
  } catch (cause) {
    if (cause instanceof QuantlabError) throw cause;
    throw new QuantlabError("file-not-found", `${path} cannot be read`, { cause });
  }
  if (!splitter.isComplete) {
    throw new QuantlabError("dataset-invalid", `${path} is not a complete JSON array of objects`, {
      hint: "download it again; the file may be cut short",
    });
  }
}

function parse(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new QuantlabError("dataset-invalid", `${path} holds an element that is not JSON`, {
      cause,
    });
  }
}

/** Cuts bytes at the ends of the array's elements; works on bytes since UTF-8 never hides ASCII. */
class ElementSplitter {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #started = false;
  #kept: Buffer[] = [];

  /** True once the outer array was opened and closed. */
  get isComplete(): boolean {
    return this.#started && this.#depth === 0;
  }

  *feed(piece: Buffer): Generator<Buffer> {
    let start = this.#depth >= 2 ? 0 : -1;
    for (let i = 0; i < piece.length; i++) {
      const change = this.#change(piece[i] as number);
      if (change > 0 && this.#depth === 2) start = i;
      if (change < 0 && this.#depth === 1 && start >= 0) {
        yield Buffer.concat([...this.#kept, piece.subarray(start, i + 1)]);
        this.#kept = [];
        start = -1;
      }
    }
    if (start >= 0) this.#kept.push(piece.subarray(start));
  }

  /** Follows one byte and says whether it opened (+1) or closed (-1) a bracket outside strings. */
  #change(byte: number): -1 | 0 | 1 {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inString = false;
      return 0;
    }
    if (byte === quote) this.#inString = true;
    if (openers.has(byte)) {
      this.#started = true;
      this.#depth++;
      return 1;
    }
    if (closers.has(byte)) {
      this.#depth--;
      return -1;
    }
    return 0;
  }
}
