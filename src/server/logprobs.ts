/** Logprobs of the engine in the three forms of the wire: completions', chat's, and vLLM's of prompts. */
import type { TokenLogprobs } from "../engine/events.ts";
import type { ChatLogprobs, PromptLogprobs, TextLogprobs } from "../openai/schemas.ts";
import type { TextCodec } from "./text-codec.ts";

/** JSON has no infinity; vLLM writes this for a token that cannot be. */
const leastLogprob = -9999;

const finite = (logprob: number) => Math.max(logprob, leastLogprob);

export interface KnownToken {
  readonly tokenId: number;
  /** undefined for the first token of a prompt, which follows nothing. */
  readonly logprobs: TokenLogprobs | undefined;
}

/** @param offset characters of the choice's text before these tokens */
export function toTextLogprobs(
  tokens: readonly KnownToken[],
  codec: TextCodec,
  offset: number,
): TextLogprobs {
  const texts = tokens.map(({ tokenId }) => codec.decode([tokenId]));
  let position = offset;
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprobs }) =>
      logprobs === undefined ? null : finite(logprobs.logprob),
    ),
    top_logprobs: tokens.map(({ logprobs }, i) =>
      logprobs === undefined ? null : topByText(logprobs, texts[i] ?? "", codec),
    ),
    text_offset: texts.map((text) => {
      position += text.length;
      return position - text.length;
    }),
  };
}

/** The chosen token is among them even where it is less likely than those asked for. */
function topByText(
  { logprob, top }: TokenLogprobs,
  text: string,
  codec: TextCodec,
): Record<string, number> {
  const entries = top.map(([id, value]) => [codec.decode([id]), finite(value)] as const);
  // Reversed: of two ids with one text the more likely counts.
  return { [text]: finite(logprob), ...Object.fromEntries(entries.toReversed()) };
}

export function toChatLogprobs(tokens: readonly KnownToken[], codec: TextCodec): ChatLogprobs {
  const entry = (tokenId: number, logprob: number) => {
    const token = codec.decode([tokenId]);
    return { token, logprob: finite(logprob), bytes: [...Buffer.from(token, "utf8")] };
  };
  return {
    content: tokens.flatMap(({ tokenId, logprobs }) =>
      logprobs === undefined
        ? []
        : [
            {
              ...entry(tokenId, logprobs.logprob),
              top_logprobs: logprobs.top.map(([id, logprob]) => entry(id, logprob)),
            },
          ],
    ),
  };
}

export function toPromptLogprobs(
  promptTokenIds: readonly number[],
  logprobs: readonly TokenLogprobs[],
  codec: TextCodec,
): PromptLogprobs {
  const rows = logprobs.map(({ logprob, rank, top }, i) => {
    const own = promptTokenIds[i + 1] ?? -1;
    const ranked = top.map(([id, value], place) => [id, value, place + 1] as const);
    const entries = [...ranked, [own, logprob, rank] as const].map(
      ([id, value, place]) =>
        [
          String(id),
          { logprob: finite(value), rank: place, decoded_token: codec.decode([id]) },
        ] as const,
    );
    return Object.fromEntries(entries);
  });
  return [null, ...rows];
}
