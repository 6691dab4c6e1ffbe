/** Reads single tensors of quantized checkpoints, each held against the dtype and shape it must have. */
import { QuantlabError } from "../base/errors.ts";
import { type Dtype, readTensor, type TensorSource } from "../checkpoint/tensor-source.ts";
import { decodeBf16, f16ToFloat, floatToF16 } from "./float16.ts";

function mismatch(source: TensorSource, what: string, hint?: string): QuantlabError {
  return new QuantlabError(
    "checkpoint-mismatch",
    `${source.label}: ${what}`,
    hint === undefined ? {} : { hint },
  );
}

/**
 * Throws unless a module holds the tensor that its format stores codes in: a checkpoint whose
 * config.json promises a format for linears that are something else is mixed, or mislabelled.
 */
export function requireQuantized(
  source: TensorSource,
  module: string,
  suffix: string,
  dtypes: readonly Dtype[],
  format: string,
): void {
  const name = `${module}.${suffix}`;
  if (!source.has(name)) {
    const plain = `${module}.weight`;
    const found = source.has(plain)
      ? `${plain} (${source.info(plain).dtype})`
      : "no weight of this module";
    throw mismatch(
      source,
      `config.json says ${format}, which stores ${name}; the checkpoint has ${found}`,
      "every linear of every block must be quantized alike; a checkpoint that mixes formats, or leaves some linears out, does not run here",
    );
  }
  const { dtype } = source.info(name);
  if (dtypes.includes(dtype)) return;
  throw mismatch(
    source,
    `${name} is ${dtype}, expected ${dtypes.join(" or ")}`,
    `config.json says ${format}: it does not belong to these tensors`,
  );
}

/** The tensor's bytes. @throws checkpoint-mismatch on another dtype or shape, or where it is missing */
export function readExpected(
  source: TensorSource,
  name: string,
  dtypes: readonly Dtype[],
  shapes: readonly (readonly number[])[],
  hint?: string,
): { dtype: Dtype; bytes: Uint8Array } {
  const { dtype, shape } = source.info(name);
  const fits = shapes.some((expected) => expected.join() === shape.join());
  if (!dtypes.includes(dtype) || !fits) {
    const expected = shapes.map((sizes) => `[${sizes.join(", ")}]`).join(" or ");
    throw mismatch(
      source,
      `${name} is ${dtype} [${shape.join(", ")}], expected ${dtypes.join(" or ")} ${expected}`,
      hint,
    );
  }
  return { dtype, bytes: readTensor(source, name) };
}

export const floatDtypes: readonly Dtype[] = ["F32", "BF16", "F16"];

/** Throws on a scale that is not a finite number of at least 0. */
function requireScales(source: TensorSource, name: string, values: Float32Array): void {
  const index = values.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (index === -1) return;
  throw mismatch(
    source,
    `${name} holds ${values[index]} at index ${index}; a scale is a finite number of at least 0`,
    "the file is damaged, or its quantizer failed; make the checkpoint again",
  );
}

/** Scales as FP32, of any float dtype. */
export function readScales(
  source: TensorSource,
  name: string,
  shapes: readonly (readonly number[])[],
  hint?: string,
): Float32Array {
  const { dtype, bytes } = readExpected(source, name, floatDtypes, shapes, hint);
  const values = decode(dtype, bytes);
  requireScales(source, name, values);
  return values;
}

/** The same as F16 patterns: F16 as it is, BF16 exactly from 2^-17 up, F32 rounded. */
export function readScalesAsF16(
  source: TensorSource,
  name: string,
  shape: readonly number[],
  dtypes: readonly Dtype[],
  hint?: string,
): Uint16Array {
  const { dtype, bytes } = readExpected(source, name, dtypes, [shape], hint);
  const values = decode(dtype, bytes);
  requireScales(source, name, values);
  const largest = values.findIndex((value) => value >= 65520);
  if (largest !== -1) {
    throw mismatch(source, `${name} holds ${values[largest]}; the kernel holds scales as F16`);
  }
  return dtype === "F16" ? u16(bytes) : Uint16Array.from(values, floatToF16);
}

function u16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

function decode(dtype: Dtype, bytes: Uint8Array): Float32Array {
  if (dtype === "F32") {
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }
  return dtype === "BF16" ? decodeBf16(u16(bytes)) : Float32Array.from(u16(bytes), f16ToFloat);
}

/** 32-bit words of an I32 tensor. */
export function readWords(
  source: TensorSource,
  name: string,
  shape: readonly number[],
  hint?: string,
): Int32Array {
  const { bytes } = readExpected(source, name, ["I32"], [shape], hint);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** The bytes behind a typed array, for writing. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
