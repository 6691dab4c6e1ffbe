import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { ChatTemplate, readChatTemplate } from "./chat-template.ts";

const fixture = fileURLToPath(
  new URL("../../test/fixtures/tokenizers/byte-level", import.meta.url),
);
const folder = mkdtempSync(join(tmpdir(), "quantlab-template-"));
afterAll(() => rmSync(folder, { recursive: true }));

const user = [{ role: "user", content: " What is 2 + 3? " }];

function writeConfig(chatTemplate: unknown): void {
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ bos_token: "<b>", chat_template: chatTemplate }),
  );
}

describe("a chat template", () => {
  it("renders messages, special tokens and the turn of the assistant", () => {
    const messages = [{ role: "system", content: "Be brief." }, ...user];
    expect(readChatTemplate(fixture)?.render(messages)).toBe(
      "<s><|system|>\nBe brief.</s>\n<|user|>\nWhat is 2 + 3?</s>\n<|assistant|>\n",
    );
  });

  it("may be one of several, stand in a file of its own, or not be there", () => {
    writeConfig([
      { name: "tool_use", template: "tools" },
      { name: "default", template: "{{ bos_token }}default" },
    ]);
    expect(readChatTemplate(folder)?.render(user)).toBe("<b>default");
    writeConfig("in the configuration");
    expect(readChatTemplate(folder)?.render(user)).toBe("in the configuration");
    writeFileSync(join(folder, "chat_template.jinja"), "{{ messages[0].role }} in a file");
    expect(readChatTemplate(folder)?.render(user)).toBe("user in a file");
    rmSync(join(folder, "chat_template.jinja"));
    writeConfig(null);
    expect(readChatTemplate(folder)).toBeUndefined();
  });

  it("has the same date every day", () => {
    const template = new ChatTemplate("{{ date_string }}", {});
    expect(template.render(user)).toBe("26 Jul 2024");
  });

  it("may refuse the messages, in its own words", () => {
    const template = new ChatTemplate(
      "{{ raise_exception('Conversation roles must alternate') }}",
      {},
    );
    expect(() => template.render(user)).toThrowError(
      expect.objectContaining({
        code: "request-invalid",
        message: expect.stringContaining("Conversation roles must alternate"),
      }),
    );
  });

  it("must parse", () => {
    expect(() => new ChatTemplate("{% for %}", {})).toThrowError(
      expect.objectContaining({ code: "tokenizer-invalid" }),
    );
  });
});
