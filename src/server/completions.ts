/** POST /v1/completions. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import {
  type CompletionRequest,
  completionRequestSchema,
  parseRequest,
} from "../openai/requests.ts";
import type { Completion, TextChoice } from "../openai/schemas.ts";
import {
  type AnswerCounts,
  type Choice,
  type Piece,
  type Prompt,
  startChoices,
  totalUsage,
  usageOf,
} from "./generation.ts";
import { type KnownToken, toPromptLogprobs, toTextLogprobs } from "./logprobs.ts";
import { requireModel } from "./models.ts";
import { toSamplingParams } from "./sampling.ts";
import type { Service } from "./service.ts";
import { gatherChoices, streamChoices, type Wire } from "./stream.ts";

/** OpenAI's default for this endpoint. */
const defaultMaxTokens = 16;

export function addCompletions(app: FastifyInstance, service: Service): void {
  app.post("/v1/completions", async (http, reply) => {
    const request = parseRequest(completionRequestSchema, http.body);
    requireModel(service, request.model);
    const answer = new CompletionAnswer(service, request);
    const choices = startChoices(service, {
      id: answer.id,
      prompts: request.prompt.map((prompt) => toPrompt(service, prompt, request)),
      n: request.n ?? 1,
      stop: request.stop,
      paramsOf: (_, index) => paramsOf(service, request, index),
    });
    if (request.stream === true) {
      await streamChoices(reply, choices, answer.wire(choices), service.clock);
      return reply;
    }
    const gathered = await gatherChoices(reply, choices);
    if (gathered === undefined) return reply.hijack();
    return answer.whole(choices, gathered);
  });
}

function toPrompt(
  { codec }: Service,
  prompt: string | readonly number[],
  request: CompletionRequest,
): Prompt {
  if (typeof prompt !== "string") return { tokenIds: prompt };
  return { tokenIds: codec.encode(prompt, request.add_special_tokens ?? true), text: prompt };
}

function paramsOf({ host }: Service, request: CompletionRequest, answer: number) {
  const echoed = request.echo === true ? request.logprobs : undefined;
  return toSamplingParams({
    request,
    // Without a token to draw there is no step: one is drawn and not shown.
    maxTokens: Math.max(1, request.max_tokens ?? defaultMaxTokens),
    vocabSize: host.facts.limits.vocabSize,
    logprobs: request.logprobs,
    promptLogprobs: request.prompt_logprobs ?? echoed,
    answer,
  });
}

/** Writes one request's answer. */
class CompletionAnswer {
  readonly id = `cmpl-${randomUUID()}`;
  readonly #service: Service;
  readonly #request: CompletionRequest;
  readonly #base: Omit<Completion, "choices">;
  /** Characters of each choice's text so far, for text_offset. */
  readonly #lengths = new Map<number, number>();

  constructor(service: Service, request: CompletionRequest) {
    this.#service = service;
    this.#request = request;
    this.#base = {
      id: this.id,
      object: "text_completion",
      created: Math.floor(service.clock.wallMs() / 1000),
      model: service.modelName,
    };
  }

  wire(choices: readonly Choice[]): Wire {
    const { n = 1, stream_options } = this.#request;
    const { include_usage, continuous_usage_stats } = stream_options ?? {};
    return {
      toChunk: (piece, choice): Completion => ({
        ...this.#base,
        choices: [this.#choice(choice, [piece])],
        ...(continuous_usage_stats
          ? { usage: usageOf(choice.promptTokenIds.length, piece) }
          : include_usage
            ? { usage: null }
            : {}),
      }),
      closing: (answers) =>
        include_usage
          ? { ...this.#base, choices: [], usage: totalUsage(choices, n, this.#counted(answers)) }
          : undefined,
    };
  }

  whole(choices: readonly Choice[], gathered: readonly (readonly Piece[])[]): Completion {
    const answers = gathered.map((pieces) => ({
      completionTokens: pieces.at(-1)?.completionTokens ?? 0,
      cachedTokens: pieces[0]?.cachedTokens ?? 0,
    }));
    return {
      ...this.#base,
      choices: choices.map((choice, i) => this.#choice(choice, gathered[i] ?? [])),
      usage: totalUsage(choices, this.#request.n ?? 1, this.#counted(answers)),
    };
  }

  /** The token that was drawn only to have a step is not the client's. */
  #counted(answers: readonly AnswerCounts[]): readonly AnswerCounts[] {
    if (!this.#isPromptOnly) return answers;
    return answers.map((answer) => ({ ...answer, completionTokens: 0 }));
  }

  get #isPromptOnly(): boolean {
    return this.#request.max_tokens === 0;
  }

  /** The wire's choice of some consecutive pieces: of one in a stream, else of all. */
  #choice(choice: Choice, pieces: readonly Piece[]): TextChoice {
    const { echo, return_token_ids } = this.#request;
    const isFirst = pieces[0]?.completionTokens === 1;
    const echoed = echo === true && isFirst ? this.#promptText(choice) : "";
    const own = this.#isPromptOnly ? "" : pieces.map((piece) => piece.text).join("");
    const { promptLogprobs } = pieces[0] ?? {};
    return {
      index: choice.index,
      text: echoed + own,
      logprobs: this.#logprobs(choice, pieces, isFirst, echoed.length),
      finish_reason: pieces.at(-1)?.finishReason ?? null,
      ...(promptLogprobs !== undefined && this.#request.prompt_logprobs !== undefined
        ? {
            prompt_logprobs: toPromptLogprobs(
              choice.promptTokenIds,
              promptLogprobs,
              this.#service.codec,
            ),
          }
        : {}),
      ...(return_token_ids ? { token_ids: knownTokens(pieces).map((t) => t.tokenId) } : {}),
    };
  }

  #promptText({ promptText, promptTokenIds }: Choice): string {
    return promptText ?? this.#service.codec.decode(promptTokenIds);
  }

  #logprobs(choice: Choice, pieces: readonly Piece[], isFirst: boolean, echoedLength: number) {
    const { logprobs, echo } = this.#request;
    if (logprobs === undefined) return null;
    const { codec } = this.#service;
    const before = this.#lengths.get(choice.index) ?? 0;
    const own = this.#isPromptOnly ? [] : knownTokens(pieces);
    const prompt =
      echo === true && isFirst ? promptTokens(choice, pieces[0]?.promptLogprobs ?? []) : [];
    const answer = toTextLogprobs(own, codec, before + echoedLength);
    const ofPrompt = toTextLogprobs(prompt, codec, before);
    const end = answer.tokens.reduce((sum, text) => sum + text.length, before + echoedLength);
    this.#lengths.set(choice.index, end);
    return {
      tokens: [...ofPrompt.tokens, ...answer.tokens],
      token_logprobs: [...ofPrompt.token_logprobs, ...answer.token_logprobs],
      // 0 asks for the chosen tokens alone.
      top_logprobs:
        logprobs === 0 ? null : [...(ofPrompt.top_logprobs ?? []), ...(answer.top_logprobs ?? [])],
      text_offset: [...ofPrompt.text_offset, ...answer.text_offset],
    };
  }
}

function promptTokens(
  { promptTokenIds }: Choice,
  logprobs: NonNullable<Piece["promptLogprobs"]>,
): KnownToken[] {
  return promptTokenIds.map((tokenId, i) => ({ tokenId, logprobs: logprobs[i - 1] }));
}

/** The tokens of some pieces, those of an end without a token left out. */
export function knownTokens(pieces: readonly Piece[]): KnownToken[] {
  return pieces.flatMap(({ tokenId, logprobs }) =>
    tokenId === undefined ? [] : [{ tokenId, logprobs }],
  );
}
