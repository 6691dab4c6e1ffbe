import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { Tokenizer as RustTokenizer } from "tokenizers";
import { describe, expect, it } from "vitest";
import { resolveModel } from "../checkpoint/resolve.ts";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { ByteTokenizer } from "./byte-tokenizer.ts";
import { JsonTokenizer } from "./json-tokenizer.ts";
import { loadChatTemplate, loadTokenizer } from "./load.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/tokenizers", import.meta.url));
const config = { ...shapeConfig("tiny"), vocabSize: 520 };

describe.each(["byte-level", "byte-fallback"])("the %s tokenizer", (name) => {
  const ours = JsonTokenizer.read(join(fixtures, name), config);
  const rust = RustTokenizer.fromString(
    readFileSync(join(fixtures, name, "tokenizer.json"), "utf8"),
  );

  it("encodes any text as the Rust tokenizer does", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.string({ unit: "binary", maxLength: 20 }),
      fc
        .array(
          fc.constantFrom("The train", " 12", "'ll", " é", "</s>", "<think>", "\n\n", "  ", "東"),
          {
            maxLength: 12,
          },
        )
        .map((parts) => parts.join("")),
    );
    const check = async (value: string, addSpecialTokens: boolean) => {
      const expected = await rust.encode(value, null, { addSpecialTokens });
      expect(ours.encode(value, { addSpecialTokens })).toEqual(expected.getIds());
    };
    await fc.assert(fc.asyncProperty(text, fc.boolean(), check), { numRuns: 400 });
  });

  it("decodes what was encoded as the Rust tokenizer does", async () => {
    const check = async (value: string, skipSpecialTokens: boolean) => {
      const ids = ours.encode(value);
      const expected = ids.length === 0 ? "" : await rust.decode(ids, skipSpecialTokens);
      expect(ours.decode(ids, { skipSpecialTokens })).toBe(expected);
    };
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    await fc.assert(fc.asyncProperty(text, fc.boolean(), check), { numRuns: 200 });
  });

  it("keeps spaces before punctuation and leaves out ids without a token", () => {
    const ids = ours.encode("yes , it 's", { addSpecialTokens: false });
    expect(ours.decode([...ids, 515, 519])).toBe("yes , it 's");
    expect(ours.decode([])).toBe("");
  });
});

describe("the tokenizer of a folder", () => {
  it("must be there, be JSON, and fit the model", () => {
    const model = {
      ...resolveModel("dummy:tiny"),
      kind: "folder" as const,
      trained: true,
      folder: fixtures,
    };
    expect(() => loadTokenizer(model)).toThrowError(/holds no tokenizer\.json/);
    expect(() => loadTokenizer({ ...model, tokenizerFolder: fixtures })).toThrowError(
      expect.objectContaining({ code: "tokenizer-invalid" }),
    );
    const small = { ...config, vocabSize: 500 };
    expect(() => JsonTokenizer.read(join(fixtures, "byte-level"), small)).toThrowError(
      /has 504 tokens, config\.json says vocab_size 500/,
    );
  });
});

describe("the stand-in of dummy weights", () => {
  const model = resolveModel("dummy:llama-3.2-1b");
  const tokenizer = loadTokenizer(model);

  it("comes with dummy shapes, and with a chat template", () => {
    expect(tokenizer).toBeInstanceOf(ByteTokenizer);
    expect(tokenizer).toMatchObject({ genuine: false, vocabSize: 128256, bosId: 128000 });
    expect(loadChatTemplate(model)?.render([{ role: "user", content: "Hi" }])).toBe(
      "user: Hi\nassistant:",
    );
  });

  it("has one token for a byte, and gives the text back", () => {
    const check = (text: string) => {
      const ids = tokenizer.encode(text);
      expect(ids.length).toBe(Buffer.byteLength(text));
      expect(tokenizer.decode(ids)).toBe(text);
    };
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }).filter((t) => !t.includes("⟨")),
        check,
      ),
    );
  });

  it("writes every other id so that it can be read back", () => {
    const ids = Array.from({ length: tokenizer.vocabSize - 256 }, (_, i) => i + 256);
    const text = tokenizer.decode(ids, { skipSpecialTokens: false });
    expect(text.startsWith("⟨256⟩⟨257⟩")).toBe(true);
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.encode("⟨255⟩⟨0300⟩⟨128256⟩")).toEqual([
      ...Buffer.from("⟨255⟩⟨0300⟩⟨128256⟩"),
    ]);
  });

  it("leaves out special tokens, and ids that no model has", () => {
    expect(tokenizer.decode([128000, 72, 105, 128009, 128256, -1])).toBe("Hi");
    expect(tokenizer.decode([128009], { skipSpecialTokens: false })).toBe("⟨128009⟩");
  });
});
