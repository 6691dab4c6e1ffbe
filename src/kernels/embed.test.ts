/** Embedding lookups and the largest logits under every instruction set, and the border of weights. */
import { describe, expect, test } from "vitest";
import { loadEveryIsa } from "./every-isa.ts";

describe.each(loadEveryIsa())("$isa", ({ kernels }) => {
  const [rows, columns] = [37, 45];
  const weight = Uint16Array.from({ length: rows * columns }, (_, i) => i);

  function embedded(tokens: readonly number[]): Uint16Array {
    const handle = kernels.packWeight("bf16", rows, columns, { weight }, {});
    const batch = kernels.createBatch();
    const count = tokens.length;
    const upTo = Int32Array.from({ length: count }, (_, i) => i);
    kernels.setBatch(
      batch,
      Int32Array.from(tokens),
      upTo,
      upTo,
      Int32Array.of(0, count, count, 0),
      Int32Array.of(0),
      Int32Array.of(count - 1),
    );
    const out = kernels.createBuffer("bf16", count * columns);
    kernels.embed(handle, batch, out);
    return Uint16Array.from(kernels.readBuffer(out, 0, count * columns));
  }

  test("embed copies rows bit for bit", () => {
    const tokens = [0, 36, 16, 15, 36, 1, 31, 32];
    expect(embedded(tokens)).toEqual(
      Uint16Array.from(
        tokens.flatMap((token) => [...weight.subarray(token * 45, token * 45 + 45)]),
      ),
    );
  });

  test("tokens outside the vocabulary are refused", () => {
    expect(() => embedded([37])).toThrow(/token 37 is outside a vocabulary of 37/);
    expect(() => embedded([-1])).toThrow(RangeError);
  });

  test("the largest logit of each row: the lowest index wins a tie, NaN never does", () => {
    const count = 5003;
    const rows = [
      Float32Array.from({ length: count }, (_, i) => i),
      new Float32Array(count).fill(7, 2100, 2101).fill(7, 4100),
      new Float32Array(count).fill(Number.NaN).fill(-9, 4999, 5000),
      new Float32Array(count).fill(Number.NEGATIVE_INFINITY).fill(Number.NaN, 0, 3),
    ];
    const logits = kernels.createBuffer("f32", rows.length * count);
    for (const [i, row] of rows.entries()) kernels.writeBuffer(logits, i * count, row);
    const expected = [5002, 2100, 4999, 3];
    expect([...kernels.argmaxRows(logits, rows.length, count)]).toEqual(expected);
    expect(rows.map((_, i) => kernels.argmax(logits, i, count))).toEqual(expected);
    expect(() => kernels.argmaxRows(logits, rows.length + 1, count)).toThrow(RangeError);
  });

  test("a detached buffer is empty, and only an ArrayBuffer is one", () => {
    const values = new Uint16Array(1 << 20);
    kernels.detach(values.buffer);
    expect(values.length).toBe(0);
    expect(() => kernels.detach(new Uint8Array(1) as unknown as ArrayBuffer)).toThrow(TypeError);
  });

  test("linear refuses small buffers, freed weights and unknown formats", () => {
    const handle = kernels.packWeight("bf16", rows, columns, { weight }, {});
    const x = kernels.createBuffer("bf16", 2 * columns);
    const out = kernels.createBuffer("bf16", 2 * rows);
    expect(() => kernels.linear(handle, x, 3, out)).toThrow(RangeError);
    expect(() => kernels.linear(handle, x, 2, kernels.createBuffer("bf16", 2 * rows - 1))).toThrow(
      RangeError,
    );
    expect(() => kernels.linear(handle, x, 2, kernels.createBuffer("i32", 2 * rows))).toThrow(
      TypeError,
    );
    kernels.linear(handle, x, 0, out);
    expect(() => kernels.packWeight("int3", 1, 1, { weight }, {})).toThrow(/awq|bf16/);
    kernels.freeWeight(handle);
    expect(() => kernels.linear(handle, x, 2, out)).toThrow(/freed/);
  });
});
