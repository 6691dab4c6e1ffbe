/** A checkpoint's chat template: messages become the prompt that the model was trained on. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { QuantlabError } from "../base/errors.ts";
import { readTokenizerConfig, type TokenizerConfig, textOfToken } from "./json-tokenizer.ts";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** What a template may ask for beside the messages. */
export interface TemplateTokens {
  readonly bosToken?: string | undefined;
  readonly eosToken?: string | undefined;
}

/** Llama 3 puts the date into its system message: it is fixed, so that a prompt is the same every day. */
const dateString = "26 Jul 2024";

/** For dummy weights: roles and contents, with no special tokens. */
export const standInTemplate =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** Parsed once, rendered for each request. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: TemplateTokens;

  /** @throws tokenizer-invalid when the Jinja text does not parse */
  constructor(source: string, tokens: TemplateTokens) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new QuantlabError("tokenizer-invalid", `the chat template does not parse: ${cause}`, {
        hint: "use /v1/completions with a prompt, or repair chat_template",
        cause,
      });
    }
    this.#tokens = tokens;
  }

  /**
   * The prompt of a conversation, ready for the assistant's turn. It holds its own BOS: encode it
   * with `addSpecialTokens: false`.
   * @throws request-invalid when the template refuses the messages, for example their order
   */
  render(messages: readonly ChatMessage[]): string {
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: true,
        bos_token: this.#tokens.bosToken ?? "",
        eos_token: this.#tokens.eosToken ?? "",
        date_string: dateString,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new QuantlabError(
        "request-invalid",
        `the model's chat template refuses these messages: ${reason}`,
        { hint: "check the roles and their order", cause },
      );
    }
  }
}

/**
 * chat_template.jinja, or chat_template of tokenizer_config.json ("default" among several);
 * undefined where a folder has neither.
 */
export function readChatTemplate(folder: string): ChatTemplate | undefined {
  const config = readTokenizerConfig(folder);
  const path = join(folder, "chat_template.jinja");
  const source = existsSync(path) ? readFileSync(path, "utf8") : templateOf(config);
  if (source === undefined) return undefined;
  return new ChatTemplate(source, {
    bosToken: textOfToken(config.bos_token),
    eosToken: textOfToken(config.eos_token),
  });
}

function templateOf({ chat_template: template }: TokenizerConfig): string | undefined {
  if (!Array.isArray(template)) return template ?? undefined;
  return (template.find(({ name }) => name === "default") ?? template[0])?.template;
}
