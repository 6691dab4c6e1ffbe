import { expect, test } from "vitest";
import { ByteTokenizer } from "../text/byte-tokenizer.ts";
import { ChatTemplate, standInTemplate } from "../text/chat-template.ts";
import { createModelCodec } from "./model-codec.ts";

const tokenizer = new ByteTokenizer(512, 256, [257]);
const codec = createModelCodec(tokenizer, new ChatTemplate(standInTemplate, {}));

test("a conversation becomes the template's prompt, ready for the answer", () => {
  const ids = codec.encodeChat([{ role: "user", content: "Hi", name: undefined }]);
  expect(tokenizer.decode(ids)).toBe("user: Hi\nassistant:");
});

test("a model without a template refuses chats and says where to go", () => {
  const bare = createModelCodec(tokenizer, undefined);
  expect(() => bare.encodeChat([{ role: "user", content: "Hi", name: undefined }])).toThrow(
    expect.objectContaining({ code: "request-invalid", hint: expect.stringContaining("prompt") }),
  );
  expect(bare.encode("Hi", true)).toEqual([72, 105]);
});

test("a character of several tokens comes whole, and a stop string ends the text before it", () => {
  const decoder = codec.createDecoder(["END"]);
  const pieces = [...Buffer.from("é ENDE")].slice(0, 6).map((id) => decoder.push(id));
  expect(pieces.map(({ text }) => text)).toEqual(["", "é", " ", "", "", ""]);
  expect(pieces.map(({ stopped }) => stopped)).toEqual([false, false, false, false, false, true]);
});

test("what was held back comes at the end", () => {
  const decoder = codec.createDecoder(["END"]);
  expect(decoder.push(69).text).toBe("");
  expect(decoder.finish()).toBe("E");
});
