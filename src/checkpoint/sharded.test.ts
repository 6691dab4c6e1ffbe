import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { indexFileName, openCheckpoint, singleFileName } from "./open.ts";
import { readTensor } from "./tensor-source.ts";
import { writeSafetensors } from "./writer.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quantlab-sharded-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;

function writeShard(file: string, names: string[]): void {
  const tensors = names.map((name) => ({
    name,
    dtype: "U8" as const,
    shape: [1],
    read: () => Uint8Array.of(name.charCodeAt(0)),
  }));
  writeSafetensors(join(folder, file), tensors);
}

function writeIndex(weightMap: unknown, metadata: unknown = { total_size: 3 }): void {
  writeFileSync(join(folder, indexFileName), JSON.stringify({ metadata, weight_map: weightMap }));
}

const goodMap = { a: files[0], b: files[0], c: files[1] };

describe("a sharded checkpoint", () => {
  beforeEach(() => {
    writeShard(files[0], ["a", "b"]);
    writeShard(files[1], ["c"]);
  });

  it("is one source", () => {
    writeIndex(goodMap);
    const source = openCheckpoint(folder);
    expect(source.names()).toEqual(["a", "b", "c"]);
    for (const name of source.names()) {
      expect(readTensor(source, name)).toEqual(Uint8Array.of(name.charCodeAt(0)));
    }
    expect(() => source.info("d")).toThrowError(
      expect.objectContaining({ code: "checkpoint-mismatch" }),
    );
    source.close();
  });

  it("may have a wrong total_size, no metadata, and tensors that the index leaves out", () => {
    writeIndex({ a: files[0], c: files[1] }, { total_size: 999 });
    const source = openCheckpoint(folder);
    expect(source.names()).toEqual(["a", "c"]);
    expect(source.has("b")).toBe(false);
    source.close();
    writeIndex(goodMap, undefined);
    openCheckpoint(folder).close();
  });

  it.each([
    ["a name that leads out", { a: "../model.safetensors" }],
    ["an absolute name", { a: "/etc/passwd" }],
    ["a name with a backslash", { a: "..\\model.safetensors" }],
    ["the parent folder", { a: ".." }],
    ["a tensor that is in another file", { ...goodMap, a: files[1] }],
    ["a tensor that is nowhere", { ...goodMap, e: files[0] }],
    ["a map that is none", ["a"]],
    ["a file that is no text", { a: 1 }],
  ])("with %s is refused", (_what, weightMap) => {
    writeIndex(weightMap);
    expect(() => openCheckpoint(folder)).toThrowError(
      expect.objectContaining({ code: "checkpoint-malformed" }),
    );
  });

  it("with a tensor in two files is refused", () => {
    writeShard(files[1], ["a", "c"]);
    writeIndex(goodMap);
    expect(() => openCheckpoint(folder)).toThrowError(/"a" is in .*00001.* and in .*00002/);
  });

  it("with a file missing or an index that is not JSON is refused", () => {
    writeIndex({ ...goodMap, a: "model-00003-of-00003.safetensors" });
    expect(() => openCheckpoint(folder)).toThrowError(/00003.* cannot be opened/);
    writeFileSync(join(folder, indexFileName), "{");
    expect(() => openCheckpoint(folder)).toThrowError(/cannot be read as JSON/);
  });
});

describe("a folder without an index", () => {
  it("holds model.safetensors or one other file", () => {
    expect(() => openCheckpoint(folder)).toThrowError(/holds no \.safetensors file/);
    writeShard("other.safetensors", ["a"]);
    openCheckpoint(folder).close();
    writeShard("another.safetensors", ["b"]);
    expect(() => openCheckpoint(folder)).toThrowError(/holds 2 \.safetensors files/);
    writeShard(singleFileName, ["c"]);
    const source = openCheckpoint(folder);
    expect(source.names()).toEqual(["c"]);
    source.close();
  });
});
