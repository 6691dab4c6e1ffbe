import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { resolveModel } from "./resolve.ts";

const folder = mkdtempSync(join(tmpdir(), "quantlab-resolve-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("resolveModel", () => {
  it("knows dummy shapes", () => {
    expect(resolveModel("dummy:llama-3.2-1b")).toMatchObject({
      kind: "dummy",
      label: "dummy:llama-3.2-1b",
      folder: undefined,
      trained: false,
      config: { layers: 16 },
    });
  });

  it("reads a folder, with its tokenizer if there is one", () => {
    writeFileSync(
      join(folder, "config.json"),
      JSON.stringify({
        architectures: ["LlamaForCausalLM"],
        hidden_size: 64,
        intermediate_size: 128,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        vocab_size: 100,
        max_position_embeddings: 64,
      }),
    );
    const expected = { kind: "folder", label: basename(folder), folder, trained: true };
    expect(resolveModel(folder)).toMatchObject({ ...expected, tokenizerFolder: undefined });
    writeFileSync(join(folder, "tokenizer.json"), "{}");
    expect(resolveModel(folder)).toMatchObject({ ...expected, tokenizerFolder: folder });
  });

  it("says how to download what looks like a hub id", () => {
    expect(() => resolveModel("meta-llama/Llama-3.2-1B")).toThrowError(
      expect.objectContaining({
        code: "file-not-found",
        hint: expect.stringContaining("hf download meta-llama/Llama-3.2-1B"),
      }),
    );
  });

  it("refuses a file and an empty folder", () => {
    expect(() => resolveModel(join(folder, "config.json"))).toThrowError(/is a file/);
    expect(() => resolveModel(tmpdir())).toThrowError(/config\.json cannot be read/);
  });
});
