/** A server's log on disk: written by the server alone, so that it is whole whatever becomes of us. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";

const tailBytes = 64 * 1024;
const tailLines = 60;

export class LogFile {
  readonly path: string;
  /** For the child's stdout and stderr. */
  readonly descriptor: number;
  readonly #reader: number;
  #offset = 0;
  #partial = "";

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.descriptor = openSync(path, "w");
    this.#reader = openSync(path, "r");
  }

  /** Whole lines that were written since the last call; carriage returns of progress bars split too. */
  newLines(): string[] {
    const size = fstatSync(this.#reader).size;
    const bytes = Buffer.alloc(Math.max(0, size - this.#offset));
    const read = readSync(this.#reader, bytes, 0, bytes.length, this.#offset);
    this.#offset += read;
    const lines = (this.#partial + bytes.toString("utf8", 0, read)).split(/\r?\n|\r/);
    this.#partial = lines.pop() ?? "";
    return lines;
  }

  text(): string {
    return this.#readFrom(0);
  }

  tail(): string {
    const size = fstatSync(this.#reader).size;
    const text = this.#readFrom(Math.max(0, size - tailBytes));
    return text.trimEnd().split("\n").slice(-tailLines).join("\n");
  }

  #readFrom(offset: number): string {
    const size = fstatSync(this.#reader).size;
    const bytes = Buffer.alloc(size - offset);
    const read = readSync(this.#reader, bytes, 0, bytes.length, offset);
    return bytes.toString("utf8", 0, read);
  }

  /** The child has its own copy of the descriptor. */
  closeWriter(): void {
    closeSync(this.descriptor);
  }
}
