/** The interface through which weights reach the formats: named tensors with dtype, shape and bytes. */

/** Element types of safetensors, by their names there. */
export const dtypeBits = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
} as const;

export type Dtype = keyof typeof dtypeBits;

/** What is known of a tensor without reading it. */
export interface TensorInfo {
  readonly dtype: Dtype;
  /** Row-major; an empty shape is a scalar. */
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/**
 * Named tensors: a safetensors file, a sharded folder, or seeded random weights.
 * Reading is synchronous: it happens while a model loads, in a thread of its own.
 */
export interface TensorSource {
  /** A short name for messages: a path, or "dummy:SHAPE". */
  readonly label: string;
  names(): readonly string[];
  has(name: string): boolean;
  /** @throws QuantlabError checkpoint-mismatch when there is no such tensor. */
  info(name: string): TensorInfo;
  /** Fills `target`, whose length is the tensor's byteLength, with its little-endian bytes. */
  readInto(name: string, target: Uint8Array): void;
  /** Releases files; reading afterwards is a bug. */
  close(): void;
}

/** The whole tensor in fresh memory, 8-byte aligned, so that any typed array can view it. */
export function readTensor(source: TensorSource, name: string): Uint8Array {
  const target = new Uint8Array(source.info(name).byteLength);
  source.readInto(name, target);
  return target;
}
