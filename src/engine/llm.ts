/** A model that people talk to: tokenizer, chat template and engine behind one generate(). */
import { type Clock, systemClock } from "../base/clock.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import type { ChatMessage, ChatTemplate } from "../text/chat-template.ts";
import { loadChatTemplate, loadTokenizer } from "../text/load.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type EngineHost, type OnLoading, startEngine } from "./host.ts";
import type { EngineFacts, EngineOptions } from "./load-engine.ts";

export interface GenerateOptions {
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | undefined;
}

/** One whole answer. */
export interface Answer {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly finishReason: "stop" | "length" | "abort";
  readonly firstTokenMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
}

export class Llm {
  readonly #host: EngineHost;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | undefined;
  readonly #clock: Clock;
  #requests = 0;

  private constructor(
    host: EngineHost,
    tokenizer: Tokenizer,
    template: ChatTemplate | undefined,
    clock: Clock,
  ) {
    this.#host = host;
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#clock = clock;
  }

  /** Loads a model in a thread of its own. @throws what resolveModel, loadTokenizer and startEngine throw */
  static async start(
    options: EngineOptions,
    onLoading: OnLoading,
    clock: Clock = systemClock,
  ): Promise<Llm> {
    const model = resolveModel(options.model);
    const tokenizer = loadTokenizer(model);
    const template = loadChatTemplate(model);
    return new Llm(await startEngine(options, 0, onLoading), tokenizer, template, clock);
  }

  get facts(): EngineFacts {
    return this.#host.facts;
  }

  /** The prompt of a conversation; where a model has no chat template, its contents line by line. */
  encode(messages: readonly ChatMessage[]): readonly number[] {
    const text = this.#template?.render(messages);
    return text === undefined
      ? this.#tokenizer.encode(messages.map(({ content }) => content).join("\n"))
      : this.#tokenizer.encode(text, { addSpecialTokens: false });
  }

  /**
   * Answers a prompt; leaving early through `signal` keeps what has come.
   * @param onText pieces of whole characters, as they come
   * @throws request-too-long when prompt and answer do not fit the context; engine-stopped
   */
  async generate(
    promptTokenIds: readonly number[],
    options: GenerateOptions,
    onText: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { maxTokens, temperature, topP, seed } = options;
    const decoder = new StreamDecoder(this.#tokenizer);
    const startMs = this.#clock.nowMs();
    const tokenIds: number[] = [];
    let text = "";
    let [firstMs, lastMs] = [startMs, startMs];
    let finishReason: Answer["finishReason"] = "abort";
    const say = (piece: string) => {
      text += piece;
      if (piece !== "") onText(piece);
    };
    const params = { maxTokens, minTokens: 0, temperature, topK: 0, topP, seed };
    const events = this.#host.generate({
      id: `chat-${this.#requests++}`,
      promptTokenIds,
      params: { ...params, ignoreEos: false, stopTokenIds: [] },
    });
    for await (const event of events) {
      lastMs = this.#clock.nowMs();
      if (tokenIds.length === 0) firstMs = lastMs;
      finishReason = event.finishReason ?? finishReason;
      if (event.tokenId !== undefined) {
        tokenIds.push(event.tokenId);
        // The token that ended the answer is counted, not shown.
        if (event.finishReason !== "stop") say(decoder.push(event.tokenId).text);
      }
      if (signal?.aborted === true) break;
    }
    say(decoder.finish().text);
    const decodeMs = lastMs - firstMs;
    return { text, tokenIds, finishReason, firstTokenMs: firstMs - startMs, decodeMs };
  }

  /** Ends the engine's thread. */
  stop(): Promise<void> {
    return this.#host.stop();
  }
}
