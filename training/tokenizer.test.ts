/** The tokenizer of gsm-tiny: digits one by one, the ids of the Rust library, everything decodes back. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { Tokenizer as RustTokenizer } from "tokenizers";
import { describe, expect, it } from "vitest";
import { readModelConfig } from "../src/checkpoint/config.ts";
import { JsonTokenizer } from "../src/text/json-tokenizer.ts";
import { readChatTemplate } from "../src/text/chat-template.ts";
import { problems } from "./problems/generate.ts";

const folder = fileURLToPath(new URL("../models/gsm-tiny", import.meta.url));
const config = readModelConfig(folder);
const ours = JsonTokenizer.read(folder, config);
const rust = RustTokenizer.fromString(readFileSync(`${folder}/tokenizer.json`, "utf8"));
const end = "<|endoftext|>";

/** `count` problems as a few-shot prompt shows them. */
function shots(split: "train" | "test" | "held-out", seed: number, count: number): string[] {
  const texts: string[] = [];
  for (const { question, answer } of problems(split, seed)) {
    if (texts.length === count) break;
    texts.push(`Question: ${question}\nAnswer: ${answer}\n\n`);
  }
  return texts;
}

describe("the tokenizer of gsm-tiny", () => {
  it("fills the vocabulary of the model, ends with the id of the end, and adds no start", () => {
    expect(rust.getVocabSize()).toBe(config.vocabSize);
    expect(ours.encode(end)).toEqual([...ours.eosIds]);
    expect(ours.encode("Question:").length).toBe(2);
  });

  it("encodes problems as the Rust library does, and gives the text back", async () => {
    for (const text of [...shots("train", 31, 200), ...shots("held-out", 32, 100)]) {
      const ids = ours.encode(text);
      expect(ids).toEqual((await rust.encode(text)).getIds());
      expect(ours.decode(ids)).toBe(text);
    }
  });

  it("encodes any text as the Rust library does", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc
        .array(
          fc.constantFrom("Tom has", " $12", "<<3*4=12>>", "\n\n", "  ", "é", end, "Question:"),
          {
            maxLength: 12,
          },
        )
        .map((parts) => parts.join("")),
    );
    const check = async (value: string) => {
      expect(ours.encode(value)).toEqual((await rust.encode(value)).getIds());
    };
    await fc.assert(fc.asyncProperty(text, check), { numRuns: 300 });
  });

  it("gives every digit a token of its own", () => {
    const digits = Array.from("0123456789", (digit) => ours.encode(digit));
    expect(digits.every((ids) => ids.length === 1)).toBe(true);
    const number = fc.nat(99_999).map(String);
    const check = (text: string) => {
      expect(ours.encode(text)).toEqual(Array.from(text, (digit) => ours.encode(digit)[0]));
    };
    fc.assert(fc.property(number, check), { numRuns: 100 });
  });

  it("makes the same ids of a prompt and its answer, joined or apart", () => {
    for (const text of shots("test", 33, 100)) {
      const cut = text.indexOf("\nAnswer:") + "\nAnswer:".length;
      const apart = [...ours.encode(text.slice(0, cut)), ...ours.encode(text.slice(cut))];
      expect(ours.encode(text)).toEqual(apart);
    }
  });

  it("has a chat template that asks as training did", () => {
    const template = readChatTemplate(folder);
    expect(
      template?.render([
        { role: "user", content: "What is 1 + 1?" },
        { role: "assistant", content: "It is <<1+1=2>>2.\n#### 2" },
        { role: "user", content: "Question: What is 2 + 2?\nAnswer:" },
      ]),
    ).toBe(
      "Question: What is 1 + 1?\nAnswer: It is <<1+1=2>>2.\n#### 2\n\nQuestion: What is 2 + 2?\nAnswer:",
    );
  });
});
