/** The text side of a served model: its tokenizer and chat template as the endpoints use them. */
import { QuantlabError } from "../base/errors.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TextCodec } from "./text-codec.ts";

/** @param template undefined where the checkpoint has none: chats are then refused, prompts are not */
export function createModelCodec(
  tokenizer: Tokenizer,
  template: ChatTemplate | undefined,
): TextCodec {
  return {
    encode: (text, addSpecialTokens) => tokenizer.encode(text, { addSpecialTokens }),
    encodeChat(messages) {
      if (template === undefined) {
        throw new QuantlabError("request-invalid", "this model has no chat template", {
          hint: "send a prompt to /v1/completions instead",
        });
      }
      // The template writes the special tokens itself.
      return tokenizer.encode(template.render(messages), { addSpecialTokens: false });
    },
    decode: (tokenIds) => tokenizer.decode(tokenIds, { skipSpecialTokens: false }),
    createDecoder(stop) {
      const decoder = new StreamDecoder(tokenizer, { stop });
      return {
        push(tokenId) {
          const { text, stopped } = decoder.push(tokenId);
          return { text, stopped: stopped !== undefined };
        },
        finish: () => decoder.finish().text,
      };
    },
  };
}
