/** The bytes of a mock answer's chunks: made once, since every answer says the same. */
import { chunkOf } from "./connection.ts";

export interface FrameStyle {
  readonly chat: boolean;
  readonly model: string;
  readonly tokensPerChunk: number;
  /** Whether a chunk lists its token ids, as vLLM does on request. */
  readonly listTokenIds: boolean;
}

/** Chunks of one style; token i has the text " ti". */
export class Frames {
  readonly #style: FrameStyle;
  readonly #frames = new Map<number, Buffer>();

  constructor(style: FrameStyle) {
    this.#style = style;
  }

  /** The chunk of `count` tokens from number `first`. @param last whether the answer ends with it */
  tokens(first: number, count: number, last: boolean): Buffer {
    const isCommon = count === this.#style.tokensPerChunk && !last;
    const known = isCommon ? this.#frames.get(first) : undefined;
    if (known !== undefined) return known;
    const ids = Array.from({ length: count }, (_, i) => first + i);
    const text = ids.map((id) => ` t${id}`).join("");
    const { chat, listTokenIds } = this.#style;
    const choice = {
      index: 0,
      finish_reason: last ? "length" : null,
      ...(chat ? { delta: { content: text } } : { text }),
      ...(listTokenIds ? { token_ids: ids } : {}),
    };
    const frame = this.event({ choices: [choice] });
    if (isCommon) this.#frames.set(first, frame);
    return frame;
  }

  event(fields: Record<string, unknown>): Buffer {
    const { chat, model } = this.#style;
    const object = chat ? "chat.completion.chunk" : "text_completion";
    const body = { id: "mock-0", object, created: 0, model, ...fields };
    return chunkOf(`data: ${JSON.stringify(body)}\n\n`);
  }
}
