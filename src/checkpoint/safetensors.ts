/** One safetensors file as a TensorSource: checked when opened, read by position, never mapped. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { assert, QuantlabError } from "../base/errors.ts";
import {
  malformed,
  maxHeaderBytes,
  parseHeader,
  type SafetensorsHeader,
} from "./safetensors-header.ts";
import type { TensorInfo, TensorSource } from "./tensor-source.ts";

const lengthBytes = 8;
/** Below the 2 GiB that one read call takes. */
const maxReadBytes = 2 ** 30;

export class SafetensorsFile implements TensorSource {
  readonly label: string;
  readonly #header: SafetensorsHeader;
  readonly #dataStart: number;
  #file: number | undefined;

  private constructor(label: string, file: number, header: SafetensorsHeader, dataStart: number) {
    this.label = label;
    this.#file = file;
    this.#header = header;
    this.#dataStart = dataStart;
  }

  /** Opens and checks a file. @throws file-not-found, checkpoint-malformed */
  static open(path: string): SafetensorsFile {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (cause) {
      throw new QuantlabError("file-not-found", `${path} cannot be opened`, { cause });
    }
    try {
      const { header, dataStart } = readHeader(file, path);
      return new SafetensorsFile(path, file, header, dataStart);
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#header.metadata;
  }

  names(): readonly string[] {
    return [...this.#header.tensors.keys()];
  }

  has(name: string): boolean {
    return this.#header.tensors.has(name);
  }

  info(name: string): TensorInfo {
    return this.#entry(name);
  }

  readInto(name: string, target: Uint8Array): void {
    assert(this.#file !== undefined, "a tensor is read before its file is closed");
    const { begin, byteLength } = this.#entry(name);
    assert(target.byteLength === byteLength, `the target is as long as tensor ${name}`);
    readFully(this.#file, target, this.#dataStart + begin, this.label);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #entry(name: string) {
    const entry = this.#header.tensors.get(name);
    if (entry !== undefined) return entry;
    throw new QuantlabError("checkpoint-mismatch", `${this.label} has no tensor "${name}"`);
  }
}

function readHeader(file: number, label: string): { header: SafetensorsHeader; dataStart: number } {
  const stat = fstatSync(file);
  if (!stat.isFile()) throw malformed(label, "this is not a file");
  if (stat.size < lengthBytes) {
    throw malformed(
      label,
      `the file has ${stat.size} bytes, a safetensors file at least ${lengthBytes}`,
    );
  }
  const prefix = Buffer.alloc(lengthBytes);
  readFully(file, prefix, 0, label);
  const declared = prefix.readBigUInt64LE();
  if (declared > BigInt(maxHeaderBytes)) {
    throw malformed(
      label,
      `it claims a header of ${declared} bytes, at most ${maxHeaderBytes} are allowed`,
    );
  }
  const headerBytes = Number(declared);
  const dataStart = lengthBytes + headerBytes;
  if (dataStart > stat.size) {
    throw malformed(
      label,
      `it claims a header of ${headerBytes} bytes, the file has ${stat.size} in all`,
    );
  }
  const json = new Uint8Array(headerBytes);
  readFully(file, json, lengthBytes, label);
  return { header: parseHeader(json, stat.size - dataStart, label), dataStart };
}

function readFully(file: number, target: Uint8Array, position: number, label: string): void {
  let done = 0;
  while (done < target.byteLength) {
    const wanted = Math.min(target.byteLength - done, maxReadBytes);
    const read = readSync(file, target, done, wanted, position + done);
    if (read === 0) throw malformed(label, "the file became shorter while it was read");
    done += read;
  }
}
