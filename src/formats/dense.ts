/** Reads BF16, F16 and F32 matrices of a checkpoint, stacked by rows, as one BF16 matrix. */
import { QuantlabError } from "../base/errors.ts";
import { readTensor, type TensorInfo, type TensorSource } from "../checkpoint/tensor-source.ts";
import { kernels, type WeightHandle } from "../kernels/binding.ts";
import { convertF16ToBf16 } from "./float16.ts";
import type { FormatOptions, Weight } from "./format.ts";

/** Modules of one checkpoint stacked by rows, in BF16. */
export interface DenseMatrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns]; valid until the next `readDense`, which uses the same memory again. */
  readonly values: Uint16Array<ArrayBuffer>;
}

// Loading a model reads hundreds of matrices one after another: one piece of memory serves them all,
// and the garbage collector takes it once loading is over.
let scratch: WeakRef<ArrayBuffer> | undefined;

/** How much larger than needed it may be: matrices of a block differ less, an embedding table is given back. */
const mostSlack = 16;

function scratchOf(bytes: number): ArrayBuffer {
  const current = scratch?.deref();
  if (current !== undefined) {
    const { byteLength } = current;
    if (byteLength >= bytes && byteLength <= mostSlack * bytes) return current;
    kernels.detach(current);
  }
  const fresh = new ArrayBuffer(bytes);
  scratch = new WeakRef(fresh);
  return fresh;
}

/** Rows and columns of a matrix; anything but two dimensions is refused. */
export function matrixShape(
  source: TensorSource,
  name: string,
  info: TensorInfo,
): { rows: number; columns: number } {
  const [rows, columns] = info.shape;
  if (info.shape.length !== 2 || rows === undefined || columns === undefined) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${name} has shape [${info.shape.join(", ")}], expected a matrix`,
    );
  }
  return { rows, columns };
}

/** Throws unless every stacked module has the same number of columns. */
export function commonColumns(
  source: TensorSource,
  modules: readonly string[],
  columns: readonly number[],
): number {
  const first = columns[0];
  if (first === undefined || columns.some((count) => count !== first)) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${modules.join(", ")} have ${columns.join(", ")} columns and cannot be stacked`,
    );
  }
  return first;
}

/** `NAME.weight` of each module, one under another. @throws checkpoint-mismatch */
export function readDense(source: TensorSource, modules: readonly string[]): DenseMatrix {
  const parts = modules.map((module) => {
    const name = `${module}.weight`;
    const info = source.info(name);
    return { name, info, ...matrixShape(source, name, info) };
  });
  const columns = commonColumns(
    source,
    modules,
    parts.map((part) => part.columns),
  );
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const values = new Uint16Array(scratchOf(rows * columns * 2), 0, rows * columns);
  let offset = 0;
  for (const part of parts) {
    const count = part.rows * columns;
    readAsBf16(source, part.name, part.info, values.subarray(offset, offset + count));
    offset += count;
  }
  return { rows, columns, values };
}

/** One BF16, F16 or F32 tensor of any shape as BF16. @throws checkpoint-mismatch on another dtype */
export function readAsBf16(
  source: TensorSource,
  name: string,
  info: TensorInfo,
  target: Uint16Array<ArrayBuffer>,
): void {
  switch (info.dtype) {
    case "BF16":
      source.readInto(name, new Uint8Array(target.buffer, target.byteOffset, target.byteLength));
      return;
    case "F16":
      convertF16ToBf16(new Uint16Array(readTensor(source, name).buffer), target);
      return;
    case "F32":
      kernels.convertToBf16(new Float32Array(readTensor(source, name).buffer), target);
      return;
    default:
      throw new QuantlabError(
        "checkpoint-mismatch",
        `${source.label}: ${name} is ${info.dtype}, expected BF16, F16 or F32`,
        { hint: "an already quantized checkpoint loads in its own format only" },
      );
  }
}

/** The loaded weight behind a handle, with its size asked of the addon. */
export function weightOf(
  format: string,
  handle: WeightHandle,
  rows: number,
  columns: number,
): Weight {
  return { handle, format, rows, columns, bytes: kernels.weightBytes(handle) };
}

/** Reads dense modules and quantizes them natively, straight into the kernel layout. */
export function quantizeDense(
  format: string,
  source: TensorSource,
  modules: readonly string[],
  options: FormatOptions,
): Weight {
  const { rows, columns, values } = readDense(source, modules);
  try {
    const handle = kernels.quantizeWeight(format, rows, columns, values, options);
    return weightOf(format, handle, rows, columns);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new QuantlabError(
      "format-unsupported",
      `${source.label}: ${modules.join(", ")} cannot be quantized to ${format}: ${cause.message}`,
      { cause },
    );
  }
}
