/** Asks a server every question, several at a time, and scores what comes back. */
import { setMaxListeners } from "node:events";
import type { Clock } from "../../base/clock.ts";
import { QuantlabError } from "../../base/errors.ts";
import { AnswerClient } from "../../openai/answer-client.ts";
import { extractAnswer, type FilterName, filterNames } from "./extract.ts";
import { type DocHashes, hashesOf } from "./hashes.ts";
import { type EvalPrompt, stopStrings } from "./prompt.ts";
import { exactMatch } from "./score.ts";

/** The harness's own default where the task sets none. */
export const defaultMaxGenToks = 256;
/** Sent as `seed`; greedy decoding does not read it. */
const requestSeed = 1234;

export interface EvalServer {
  readonly baseUrl: string;
  readonly modelName: string;
  readonly apiKey?: string | undefined;
}

/** What the server said to one question. */
export interface EvalResponse {
  readonly docId: number;
  /** Of the prompt that was sent: a response is taken up again only for the same prompt. */
  readonly promptHash: string;
  readonly text: string;
  readonly finishReason?: string | undefined;
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  readonly ms: number;
}

/** One question with its response and what both filters make of it. */
export interface ScoredDoc {
  readonly prompt: EvalPrompt;
  readonly hashes: DocHashes;
  readonly response: EvalResponse;
  readonly answers: Readonly<Record<FilterName, string>>;
  readonly scores: Readonly<Record<FilterName, 0 | 1>>;
}

export interface AskOptions {
  readonly server: EvalServer;
  readonly prompts: readonly EvalPrompt[];
  readonly maxGenToks: number;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Responses of an earlier, interrupted run; those to other prompts are not used. */
  readonly known?: readonly EvalResponse[] | undefined;
  /** Awaited before the next question of the same slot, so that nothing is lost on the way to disk. */
  onResponse?(response: EvalResponse): void | Promise<void>;
  onProgress?(done: number, total: number): void;
}

/**
 * One response per prompt, in the order of the prompts. After a failure no question is begun, those
 * in flight are waited for, and the failure is thrown.
 * @throws request-failed, interrupted
 */
export async function askAll(options: AskOptions): Promise<EvalResponse[]> {
  const { prompts, server, concurrency, clock } = options;
  const signal = heardByMany(options.signal);
  const hashes = prompts.map((prompt) => hashesOf(prompt).prompt);
  const known = new Map(options.known?.map((response) => [response.promptHash, response]));
  const responses = hashes.map((hash) => known.get(hash));
  const waiting = prompts.flatMap((prompt, index) => (responses[index] ? [] : [{ prompt, index }]));
  let done = prompts.length - waiting.length;
  let failure: unknown;
  const client = new AnswerClient({ ...server, connections: concurrency, clock });
  const work = async () => {
    for (;;) {
      const next = failure === undefined && !signal.aborted ? waiting.shift() : undefined;
      if (next === undefined) return;
      const { prompt, index } = next;
      try {
        const response = await ask(client, prompt, hashes[index] as string, { ...options, signal });
        responses[index] = response;
        await options.onResponse?.(response);
        done++;
        options.onProgress?.(done, prompts.length);
      } catch (error) {
        failure ??= error;
      }
    }
  };
  options.onProgress?.(done, prompts.length);
  try {
    await Promise.all(Array.from({ length: concurrency }, work));
  } finally {
    await client.close();
  }
  if (failure !== undefined) throw failure;
  if (signal.aborted) throw new QuantlabError("interrupted", "interrupted while asking");
  return responses as EvalResponse[];
}

/** Every request in flight listens to it, and that is no leak. */
function heardByMany(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal]);
  setMaxListeners(0, own);
  return own;
}

async function ask(
  client: AnswerClient,
  prompt: EvalPrompt,
  promptHash: string,
  { server, maxGenToks, clock, signal }: AskOptions,
): Promise<EvalResponse> {
  const startMs = clock.nowMs();
  const answer = await client.ask(
    prompt.messages === undefined ? "/v1/completions" : "/v1/chat/completions",
    {
      model: server.modelName,
      ...(prompt.messages === undefined ? { prompt: prompt.text } : { messages: prompt.messages }),
      stop: stopStrings,
      max_tokens: maxGenToks,
      temperature: 0,
      seed: requestSeed,
    },
    signal,
  );
  return { docId: prompt.docId, promptHash, ...answer, ms: clock.nowMs() - startMs };
}

/** Both filters over every response. */
export function scoreAll(
  prompts: readonly EvalPrompt[],
  responses: readonly EvalResponse[],
): ScoredDoc[] {
  return prompts.map((prompt, index) => {
    const response = responses[index] as EvalResponse;
    const answers = byFilter((name) => extractAnswer(name, response.text));
    const scores = byFilter((name) => exactMatch(answers[name], prompt.target));
    return { prompt, hashes: hashesOf(prompt), response, answers, scores };
  });
}

function byFilter<T>(of: (name: FilterName) => T): Record<FilterName, T> {
  return Object.fromEntries(filterNames.map((name) => [name, of(name)])) as Record<FilterName, T>;
}
