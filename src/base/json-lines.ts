/** JSONL files: append whole lines durably, and stream them back without loading the file. */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { QuantlabError } from "./errors.ts";

/** Appends one JSON value a line; a line is written by one call, so a crash cuts at most the last. */
export class JsonLinesWriter {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string, flags: "w" | "a" = "a"): Promise<JsonLinesWriter> {
    return new JsonLinesWriter(await open(path, flags));
  }

  async append(value: unknown): Promise<void> {
    await this.#file.appendFile(`${jsonLine(value)}\n`);
  }

  /** Flushes to disk and closes. */
  async close(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }
}

/** JSON without the line ends that line readers know beside "\n". */
function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

/**
 * Yields each line of a JSONL file as a parsed value. A last line cut short by a crash is dropped;
 * any other line that does not parse is an error that names its number.
 */
export async function* readJsonLines(path: string): AsyncGenerator<unknown> {
  const lines = createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  let number = 0;
  let broken: { number: number; cause: unknown } | undefined;
  for await (const line of lines) {
    number++;
    if (broken !== undefined) {
      throw new QuantlabError("run-invalid", `${path}:${broken.number} is not JSON`, {
        hint: "the file was edited or damaged; delete the cell's folder to measure it again",
        cause: broken.cause,
      });
    }
    if (line.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      broken = { number, cause };
      continue;
    }
    yield value;
  }
}
