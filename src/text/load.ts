/** The tokenizer and the chat template that go with a model. */
import type { ResolvedModel } from "../checkpoint/resolve.ts";
import { QuantlabError } from "../base/errors.ts";
import { ByteTokenizer } from "./byte-tokenizer.ts";
import { ChatTemplate, readChatTemplate, standInTemplate } from "./chat-template.ts";
import { JsonTokenizer } from "./json-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The checkpoint's tokenizer; for dummy weights, in a folder or not, the byte-level stand-in.
 * @throws tokenizer-invalid, also when a checkpoint's folder holds no tokenizer.json
 */
export function loadTokenizer(model: ResolvedModel): Tokenizer {
  const { config } = model;
  if (model.tokenizerFolder !== undefined) return JsonTokenizer.read(model.tokenizerFolder, config);
  if (!model.trained) {
    return new ByteTokenizer(config.vocabSize, config.bosTokenId, config.eosTokenIds);
  }
  throw new QuantlabError("tokenizer-invalid", `${model.folder} holds no tokenizer.json`, {
    hint: "copy tokenizer.json and tokenizer_config.json of the same checkpoint into the folder",
  });
}

/** The model's chat template, undefined where the checkpoint has none. @throws tokenizer-invalid */
export function loadChatTemplate(model: ResolvedModel): ChatTemplate | undefined {
  if (model.tokenizerFolder !== undefined) return readChatTemplate(model.tokenizerFolder);
  return model.trained ? undefined : new ChatTemplate(standInTemplate, {});
}
