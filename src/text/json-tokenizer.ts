/** A checkpoint's own tokenizer: tokenizer.json and tokenizer_config.json. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as JsonTokenizerLibrary } from "@huggingface/tokenizers";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";

/** Checked only as far as a message can help; the library reads the rest. */
const tokenizerSchema = z.looseObject({
  model: z.looseObject({ type: z.string().optional() }),
  added_tokens: z.array(z.looseObject({ id: z.number(), content: z.string() })).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
});

const tokenText = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

const tokenizerConfigSchema = z.looseObject({
  bos_token: tokenText,
  eos_token: tokenText,
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>;

export class JsonTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  readonly genuine = true;
  readonly #library: JsonTokenizerLibrary;

  private constructor(library: JsonTokenizerLibrary, config: ModelConfig) {
    this.#library = library;
    this.vocabSize = config.vocabSize;
    this.bosId = config.bosTokenId;
    this.eosIds = config.eosTokenIds;
  }

  /** @throws file-not-found, tokenizer-invalid */
  static read(folder: string, config: ModelConfig): JsonTokenizer {
    const path = join(folder, "tokenizer.json");
    const content = parse(tokenizerSchema, path);
    let library: JsonTokenizerLibrary;
    try {
      library = new JsonTokenizerLibrary(content, readTokenizerConfig(folder));
    } catch (cause) {
      throw invalid(path, "is of a kind that the tokenizer library does not read", cause);
    }
    const size = library.get_vocab(true).size;
    if (size > config.vocabSize) {
      throw invalid(path, `has ${size} tokens, config.json says vocab_size ${config.vocabSize}`);
    }
    return new JsonTokenizer(library, config);
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const addSpecialTokens = options.addSpecialTokens ?? true;
    return this.#library.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    // A padded vocabulary has ids without a token; the library would stumble over them.
    const known = ids.filter((id) => this.#library.id_to_token(id) !== undefined);
    if (known.length === 0) return "";
    return this.#library.decode(known, {
      skip_special_tokens: options.skipSpecialTokens ?? true,
      // Servers return text as it is: the clean-up drops spaces before punctuation.
      clean_up_tokenization_spaces: false,
    });
  }
}

/** tokenizer_config.json, or nothing where there is none. @throws tokenizer-invalid */
export function readTokenizerConfig(folder: string): TokenizerConfig {
  const path = join(folder, "tokenizer_config.json");
  return existsSync(path) ? parse(tokenizerConfigSchema, path) : {};
}

/** The text of a token that a configuration spells as a string or as an object. */
export function textOfToken(token: z.infer<typeof tokenText>): string | undefined {
  return typeof token === "string" ? token : token?.content;
}

function parse<T>(schema: z.ZodType<T>, path: string): T {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw invalid(path, "cannot be read as JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(path, `is malformed:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function invalid(path: string, what: string, cause?: unknown): QuantlabError {
  return new QuantlabError("tokenizer-invalid", `${path} ${what}`, {
    hint: "download the checkpoint's tokenizer files again",
    ...(cause === undefined ? {} : { cause }),
  });
}
