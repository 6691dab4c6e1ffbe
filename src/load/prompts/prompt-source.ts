/** What a prompt source is: where prompts and their answer lengths come from. */
import type { Random } from "../../base/random.ts";

export interface DrawnPrompt {
  /** Token ids, whose length is exact on any server, or text. */
  readonly prompt: string | readonly number[];
  /** Exact for token ids; else counted or estimated, as the source's description says. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** When it was sent in the recording that it comes from, from the start. */
  readonly intendedMs?: number;
}

export interface PromptSource {
  readonly name: string;
  /** With its parameters, for people and for the manifest. */
  readonly description: string;
  /** Of sources whose prompts bring their times: what these are. */
  readonly arrivals?: string;
  /** @throws dataset-invalid when the data set does not give `count` usable prompts */
  draw(count: number, random: Random): Promise<readonly DrawnPrompt[]>;
}

/** Everything that a source may be told; each takes what concerns it. */
export interface PromptSettings {
  /** File of a data set. */
  readonly path?: string | undefined;
  /** Prompt tokens, for sources that do not have lengths of their own. */
  readonly inputLen: number;
  /** Answer tokens; sources with lengths of their own take theirs when this is undefined. */
  readonly outputLen: number | undefined;
  /** Lengths are uniform in [L(1-r), L(1+r)], as in vLLM. */
  readonly rangeRatio: number;
  /** Factor on a data set's lengths, so that a small machine can run it. */
  readonly lengthScale: number;
  /** Of a trace's timestamps; undefined takes what its format has. */
  readonly traceUnit?: "ms" | "s" | undefined;
  /** 2 replays a trace in half its time. */
  readonly traceSpeed?: number | undefined;
  /** Ids are drawn below it; undefined makes text where the source can. */
  readonly vocabSize: number | undefined;
  /** Tokens of a text by the model's tokenizer; undefined estimates 4 characters a token. */
  readonly countTokens: ((text: string) => number) | undefined;
}

/** An entry of the registry. */
export interface PromptKind {
  readonly name: string;
  /** One line for --help. */
  readonly title: string;
  /** @throws usage when a setting that it needs is missing */
  create(settings: PromptSettings): PromptSource;
}

/** The tokenizer's count, or the estimate with its name for the description. */
export function tokenCounter(settings: PromptSettings): {
  count: (text: string) => number;
  note: string;
} {
  if (settings.countTokens !== undefined) return { count: settings.countTokens, note: "" };
  return {
    count: (text) => Math.ceil(text.length / 4),
    note: ", prompt lengths estimated at 4 characters a token",
  };
}
