/** The header of a safetensors file, and every rule it must obey before a byte of data is trusted. */
import { QuantlabError } from "../base/errors.ts";
import { HeaderScanner } from "./header-scanner.ts";
import { type Dtype, dtypeBits, type TensorInfo } from "./tensor-source.ts";

/** As in the reference reader. */
export const maxHeaderBytes = 100_000_000;
const maxRank = 32;
const maxNameBytes = 1024;
const maxTensors = 1_000_000;
export const metadataKey = "__metadata__";

export interface HeaderEntry extends TensorInfo {
  /** Offset from the first byte of data. */
  readonly begin: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, HeaderEntry>;
}

/**
 * Parses and checks the header's JSON.
 * @param dataBytes bytes that follow the header in the file
 * @param label of the file, for messages
 * @throws checkpoint-malformed
 */
export function parseHeader(json: Uint8Array, dataBytes: number, label: string): SafetensorsHeader {
  const scanner = new HeaderScanner(decodeUtf8(json, label), label);
  let metadata = new Map<string, string>();
  const tensors = new Map<string, HeaderEntry>();
  scanner.object((name) => {
    if (name === metadataKey) {
      metadata = readMetadata(scanner);
      return;
    }
    checkName(name, scanner);
    if (tensors.size === maxTensors) scanner.fail(`there are more than ${maxTensors} tensors`);
    tensors.set(name, readEntry(name, scanner));
  });
  scanner.end();
  checkLayout(tensors, dataBytes, label);
  return { metadata, tensors };
}

function decodeUtf8(json: Uint8Array, label: string): string {
  try {
    // A byte order mark stays a character, and the scanner refuses it.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch (cause) {
    throw malformed(label, "the header is not UTF-8", cause);
  }
}

function readMetadata(scanner: HeaderScanner): Map<string, string> {
  const metadata = new Map<string, string>();
  scanner.object((key) => metadata.set(key, scanner.string()));
  return metadata;
}

function checkName(name: string, scanner: HeaderScanner): void {
  if (name === "") scanner.fail("a tensor has an empty name");
  if (name.includes("\0")) scanner.fail("a tensor's name holds a NUL");
  if (Buffer.byteLength(name) > maxNameBytes) {
    scanner.fail(`a tensor's name is longer than ${maxNameBytes} bytes`);
  }
}

function readEntry(name: string, scanner: HeaderScanner): HeaderEntry {
  let dtype: Dtype | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((key) => {
    if (key === "dtype") dtype = readDtype(scanner);
    else if (key === "shape") shape = scanner.integers(maxRank);
    else if (key === "data_offsets") offsets = scanner.integers(2);
    else scanner.fail(`tensor ${JSON.stringify(name)} has an unknown key ${JSON.stringify(key)}`);
  });
  const [begin, end] = offsets ?? [];
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined) {
    scanner.fail(`tensor ${JSON.stringify(name)} lacks its dtype, its shape or its two offsets`);
  }
  const byteLength = tensorBytes(dtype, shape);
  if (byteLength === undefined || end - begin !== byteLength) {
    scanner.fail(
      `tensor ${JSON.stringify(name)}, ${dtype} [${shape.join(", ")}], cannot lie in bytes ${begin} to ${end}`,
    );
  }
  return { dtype, shape, byteLength, begin };
}

function readDtype(scanner: HeaderScanner): Dtype {
  const found = scanner.string();
  for (const dtype of Object.keys(dtypeBits) as Dtype[]) if (dtype === found) return dtype;
  return scanner.fail(`there is no dtype ${JSON.stringify(found)}`);
}

/** Bytes of a tensor; undefined when they overflow or are not whole. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number | undefined {
  let bits: number = dtypeBits[dtype];
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

/** Tensors cover the data from its first byte to its last, without holes and without overlaps. */
function checkLayout(
  tensors: ReadonlyMap<string, HeaderEntry>,
  dataBytes: number,
  label: string,
): void {
  // An empty tensor may share its offset with the one that follows: it comes first.
  const ordered = [...tensors].sort(
    ([, a], [, b]) => a.begin - b.begin || a.byteLength - b.byteLength,
  );
  let expected = 0;
  for (const [name, { begin, byteLength }] of ordered) {
    if (begin !== expected) {
      const what = begin > expected ? "leaves a hole before it" : "overlaps another tensor";
      throw malformed(
        label,
        `tensor ${JSON.stringify(name)} begins at byte ${begin} of the data, expected ${expected}: it ${what}`,
      );
    }
    expected += byteLength;
  }
  if (expected !== dataBytes) {
    throw malformed(
      label,
      `the tensors take ${expected} bytes and the file holds ${dataBytes} after its header`,
    );
  }
}

/** The error of every broken rule that has no place in the header's text. */
export function malformed(label: string, what: string, cause?: unknown): QuantlabError {
  return new QuantlabError("checkpoint-malformed", `${label}: ${what}`, {
    hint: "the file is damaged or was cut short; download or write it again",
    ...(cause === undefined ? {} : { cause }),
  });
}
