/** Writes a safetensors file: all of it, under its name, or nothing. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { assert } from "../base/errors.ts";
import { metadataKey, tensorBytes } from "./safetensors-header.ts";
import type { Dtype } from "./tensor-source.ts";

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Called once, when its turn comes, so that one tensor at a time is in memory. */
  read(): Uint8Array;
}

/** The order of the reference writer: widest first, so that every tensor is aligned to its element. */
const writingOrder: readonly Dtype[] = [
  "U64",
  "I64",
  "F64",
  "C64",
  "F32",
  "U32",
  "I32",
  "BF16",
  "F16",
  "U16",
  "I16",
  "F8_E5M2FNUZ",
  "F8_E4M3FNUZ",
  "F8_E8M0",
  "F8_E4M3",
  "F8_E5M2",
  "I8",
  "U8",
  "F6_E3M2",
  "F6_E2M3",
  "F4",
  "BOOL",
];

/** Transformers refuses a file that does not say so. */
const defaultMetadata: Readonly<Record<string, string>> = { format: "pt" };

/** Writes to a temporary name beside `path`, syncs, and renames. Names must be unique. */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = defaultMetadata,
): void {
  const ordered = inWritingOrder(tensors);
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, "w");
  try {
    writeFully(file, headerBytes(ordered, metadata));
    for (const tensor of ordered) {
      const bytes = tensor.read();
      assert(
        bytes.byteLength === sizeOf(tensor),
        `tensor ${tensor.name} has the bytes of its shape`,
      );
      writeFully(file, bytes);
    }
    fsyncSync(file);
  } catch (error) {
    closeSync(file);
    rmSync(temporary, { force: true });
    throw error;
  }
  closeSync(file);
  renameSync(temporary, path);
}

function inWritingOrder(tensors: readonly TensorToWrite[]): TensorToWrite[] {
  assert(new Set(tensors.map(({ name }) => name)).size === tensors.length, "names are unique");
  return [...tensors].sort(
    (a, b) =>
      writingOrder.indexOf(a.dtype) - writingOrder.indexOf(b.dtype) ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
}

function sizeOf(tensor: TensorToWrite): number {
  const bytes = tensorBytes(tensor.dtype, tensor.shape);
  assert(bytes !== undefined, `tensor ${tensor.name} has a whole number of bytes`);
  return bytes;
}

/** Length and JSON, padded with spaces to a multiple of 8. */
function headerBytes(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Buffer {
  let begin = 0;
  const entries = tensors.map((tensor) => {
    const { name, dtype, shape } = tensor;
    assert(name !== metadataKey && name !== "", "a tensor's name is free to use");
    const end = begin + sizeOf(tensor);
    const entry = `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
    begin = end;
    return entry;
  });
  const json = `{${[`"${metadataKey}":${JSON.stringify(metadata)}`, ...entries].join(",")}}`;
  const length = Math.ceil(Buffer.byteLength(json) / 8) * 8;
  const header = Buffer.alloc(8 + length, " ");
  header.writeBigUInt64LE(BigInt(length), 0);
  header.write(json, 8);
  return header;
}

function writeFully(file: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) {
    done += writeSync(file, bytes, done, Math.min(bytes.byteLength - done, 2 ** 30));
  }
}
