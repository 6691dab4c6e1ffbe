import { createHash } from "node:crypto";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { QuantlabError } from "../base/errors.ts";
import { SafetensorsFile } from "./safetensors.ts";
import { maxHeaderBytes, parseHeader } from "./safetensors-header.ts";
import { type Dtype, dtypeBits, readTensor } from "./tensor-source.ts";
import { type TensorToWrite, writeSafetensors } from "./writer.ts";

const folder = mkdtempSync(join(tmpdir(), "quantlab-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.safetensors");

const tensor = (name: string, dtype: Dtype, shape: number[], bytes: number[]): TensorToWrite => ({
  name,
  dtype,
  shape,
  read: () => Uint8Array.from(bytes),
});

const vector = [
  tensor("a", "BF16", [2, 3], [0x80, 0x3f, 0x80, 0xbf, 0, 0x40, 0, 0, 0, 0x3f, 0x80, 0x7f]),
  tensor("b", "F8_E4M3", [4], [0x38, 0x7e, 0x80, 0x01]),
  tensor("c", "I32", [1], [0x20, 0x64, 0x31, 0x75]),
  tensor("d", "F32", [], [0, 0, 0x80, 0x3f]),
];

/** A file of these header bytes and this many bytes of data. */
function writeRaw(header: string | Uint8Array, dataBytes: number, declared?: bigint): string {
  const json = typeof header === "string" ? Buffer.from(header) : Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(declared ?? BigInt(json.length));
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return path;
}

function expectMalformed(action: () => unknown, message?: RegExp): void {
  expect(action).toThrowError(
    expect.objectContaining({
      code: "checkpoint-malformed",
      ...(message === undefined ? {} : { message: expect.stringMatching(message) }),
    }),
  );
}

describe("writer and reader", () => {
  it("write the reference vector byte for byte and read it back", () => {
    writeSafetensors(path, vector);
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(288);
    expect(bytes.readBigUInt64LE()).toBe(256n);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(
      "11d460e3fbfa1ef9a3b89c581d14a2c443611040f069609211ca385ad2a172d1",
    );
    const source = SafetensorsFile.open(path);
    expect(source.names()).toEqual(["d", "c", "a", "b"]);
    expect([...source.metadata]).toEqual([["format", "pt"]]);
    expect(source.info("a")).toMatchObject({ dtype: "BF16", shape: [2, 3], byteLength: 12 });
    for (const { name, read } of vector) expect(readTensor(source, name)).toEqual(read());
    source.close();
  });

  it("round-trip any tensors", () => {
    const dtypes = (Object.keys(dtypeBits) as Dtype[]).filter((dtype) => dtypeBits[dtype] >= 8);
    const name = fc
      .string({ minLength: 1, maxLength: 12, unit: "grapheme" })
      .filter((text) => text !== "__metadata__" && !text.includes("\0"));
    const shapes = fc.array(fc.nat(4), { maxLength: 3 });
    const entry = fc.record({ name, dtype: fc.constantFrom(...dtypes), shape: shapes });
    const entries = fc.uniqueArray(entry, { maxLength: 6, selector: (item) => item.name });
    const check = (items: { name: string; dtype: Dtype; shape: number[] }[], fill: number) => {
      const tensors = items.map((item, i) => {
        const count = item.shape.reduce((product, size) => product * size, 1);
        const bytes = new Array<number>((count * dtypeBits[item.dtype]) / 8).fill((fill + i) % 256);
        return tensor(item.name, item.dtype, item.shape, bytes);
      });
      writeSafetensors(path, tensors);
      const source = SafetensorsFile.open(path);
      expect(new Set(source.names())).toEqual(new Set(tensors.map((item) => item.name)));
      for (const item of tensors) {
        expect(source.info(item.name)).toMatchObject({ dtype: item.dtype, shape: item.shape });
        expect(readTensor(source, item.name)).toEqual(item.read());
      }
      source.close();
    };
    fc.assert(fc.property(entries, fc.nat(255), check), { numRuns: 60 });
  });

  it("leave nothing behind when a tensor fails to arrive", () => {
    rmSync(path, { force: true });
    const failing = { ...tensor("x", "U8", [1], [0]), read: () => Uint8Array.of(1, 2) };
    expect(() => writeSafetensors(path, [failing])).toThrowError(/bytes of its shape/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

const entry = (begin: number, end: number, shape = `[${end - begin}]`, dtype = "U8") =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe("a safe reader accepts", () => {
  it.each([
    ["white space around the header", ` \t\n{"a":${entry(0, 4)}}\r  `, 4],
    ["a header without tensors", "{}", 0],
    ["empty tensors", `{"a":${entry(0, 0)},"b":${entry(0, 3)},"c":${entry(3, 3, "[2,0]")}}`, 3],
    ["keys in any order", '{"a":{"shape":[],"data_offsets":[0,1],"dtype":"BOOL"}}', 1],
    ["escaped names", `{"\\u0061\\n\\ud83d\\ude00":${entry(0, 1)}}`, 1],
  ])("%s", (_what, header, dataBytes) => {
    expect(() => SafetensorsFile.open(writeRaw(header, dataBytes)).close()).not.toThrow();
  });
});

describe("a safe reader refuses", () => {
  const many = Array.from({ length: 10 }, (_, i) => `"t${i}":${entry(0, 16)}`).join(",");
  it.each([
    ["an open object", "{", 0],
    ["an empty header", "", 0],
    ["another value", "[]", 0],
    ["something after the object", "{}x", 0],
    ["a byte order mark", "\ufeff{}", 0],
    ["ten tensors in one place", `{${many}}`, 16],
    ["a hole before the first", `{"a":${entry(4, 8)}}`, 8],
    ["a hole", `{"a":${entry(0, 4)},"b":${entry(6, 8)}}`, 8],
    ["an overlap", `{"a":${entry(0, 4)},"b":${entry(2, 8)}}`, 8],
    ["an end before its begin", `{"a":${entry(4, 0, "[4]")}}`, 4],
    ["a size that is not the shape's", `{"a":${entry(0, 4, "[2,2]", "I32")}}`, 4],
    ["a shape that overflows 64 bits", `{"a":${entry(0, 4, "[2,18446744073709551614]")}}`, 4],
    ["a shape that overflows 63 bits", `{"a":${entry(0, 4, "[2,9223372036854775807]")}}`, 4],
    ["a product that overflows", `{"a":${entry(0, 4, "[9007199254740991,2]")}}`, 4],
    ["half a byte", `{"a":${entry(0, 2, "[3]", "F4")}}`, 2],
    ["trailing junk", `{"a":${entry(0, 4)}}`, 5],
    ["two bytes missing", `{"a":${entry(0, 4)}}`, 2],
    ["a name given twice", `{"a":${entry(0, 2)},"a":${entry(2, 4)}}`, 4],
    ["a name given twice in two spellings", `{"a":${entry(0, 2)},"\\u0061":${entry(2, 4)}}`, 4],
    ["metadata given twice", '{"__metadata__":{},"__metadata__":{}}', 0],
    ["a number in the metadata", '{"__metadata__":{"a":1}}', 0],
    ["an unknown key", '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":[]}}', 1],
    ["a missing key", '{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1],
    ["a key given twice", '{"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1],
    ["an unknown dtype", `{"a":${entry(0, 1, "[1]", "F7")}}`, 1],
    ["one offset", '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}', 0],
    ["three offsets", '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}', 0],
    ["a fraction", '{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1],
    ["an exponent", '{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', 1],
    ["a negative number", '{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', 1],
    ["a leading zero", '{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}', 1],
    ["a trailing comma", '{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}', 1],
    ["an empty name", `{"":${entry(0, 1)}}`, 1],
    ["a NUL in a name", `{"a\\u0000":${entry(0, 1)}}`, 1],
    ["a long name", `{"${"n".repeat(1025)}":${entry(0, 1)}}`, 1],
    ["half a surrogate pair", `{"\\ud83d":${entry(0, 1)}}`, 1],
    ["a control character", `{"a\n":${entry(0, 1)}}`, 1],
    ["a wrong escape", `{"\\x":${entry(0, 1)}}`, 1],
    ["too many dimensions", `{"a":${entry(0, 1, `[${new Array(33).fill(1)}]`)}}`, 1],
    ["deep nesting", `{"a":${"[".repeat(100000)}`, 0],
  ])("%s", (_what, header, dataBytes) => {
    expectMalformed(() => SafetensorsFile.open(writeRaw(header, dataBytes)));
  });

  it("an empty file, and one with a length and no header", () => {
    writeFileSync(path, "");
    expectMalformed(() => SafetensorsFile.open(path), /has 0 bytes/);
    expectMalformed(() => SafetensorsFile.open(writeRaw("", 0, 0x3cn)), /header of 60 bytes/);
  });

  it("a header over the cap, before it allocates anything", () => {
    const cap = BigInt(maxHeaderBytes);
    expectMalformed(() => SafetensorsFile.open(writeRaw("{}", 0, cap + 1n)), /at most 100000000/);
    expectMalformed(() => SafetensorsFile.open(writeRaw("{}", 0, cap)), /in all/);
    expectMalformed(() => SafetensorsFile.open(writeRaw("{}", 0, 2n ** 64n - 1n)), /at most/);
  });

  it("bytes that are not UTF-8", () => {
    expectMalformed(
      () => SafetensorsFile.open(writeRaw(Uint8Array.of(0x7b, 0xff, 0x7d), 0)),
      /UTF-8/,
    );
  });

  it("a folder, and a file that is not there", () => {
    expectMalformed(() => SafetensorsFile.open(folder), /not a file/);
    expect(() => SafetensorsFile.open(join(folder, "none"))).toThrowError(
      expect.objectContaining({ code: "file-not-found" }),
    );
  });

  it("to read a tensor that is not there, or from a file that was cut since", () => {
    writeSafetensors(path, vector);
    const source = SafetensorsFile.open(path);
    expect(() => source.info("e")).toThrowError(
      expect.objectContaining({ code: "checkpoint-mismatch" }),
    );
    truncateSync(path, 280);
    expectMalformed(() => readTensor(source, "b"), /became shorter/);
    source.close();
    expect(() => readTensor(source, "d")).toThrowError(/before its file is closed/);
  });
});

describe("any header", () => {
  const good = Buffer.from(
    `{"__metadata__":{"format":"pt"},"d":${entry(0, 4, "[]", "F32")},"a":${entry(4, 16, "[2,3]", "BF16")}}  `,
  );

  /** Either it is refused by the one error there is, or every tensor lies inside the data. */
  function checkParse(json: Uint8Array, dataBytes: number): void {
    try {
      for (const { begin, byteLength } of parseHeader(json, dataBytes, "fuzz").tensors.values()) {
        expect(begin >= 0 && byteLength >= 0 && begin + byteLength <= dataBytes).toBe(true);
      }
    } catch (error) {
      if (!(error instanceof QuantlabError) || error.code !== "checkpoint-malformed") throw error;
    }
  }

  it("with bytes changed, removed or put in never crashes and never leads out of bounds", () => {
    const mutation = fc.record({
      at: fc.nat(good.length - 1),
      remove: fc.nat(3),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc
          .constantFrom("0", "9", '"', "{", "}", "[", "]", ",", ":", "\\", "e", ".", "-", '"a":')
          .map((text) => new Uint8Array(Buffer.from(text))),
      ),
    });
    const check = (mutations: { at: number; remove: number; insert: Uint8Array }[]) => {
      let json = good;
      for (const { at, remove, insert } of mutations) {
        json = Buffer.concat([json.subarray(0, at), insert, json.subarray(at + remove)]);
      }
      checkParse(json, 16);
    };
    fc.assert(fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), check), {
      numRuns: 5000,
    });
  });

  it("of random JSON never crashes", () => {
    const check = (text: string) => checkParse(Buffer.from(text), 16);
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), check), { numRuns: 500 });
  });

  it("of random bytes never crashes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => checkParse(bytes, 16)),
      {
        numRuns: 500,
      },
    );
  });
});
