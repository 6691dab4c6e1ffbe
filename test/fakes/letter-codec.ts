/** A text side for tests: token id n is the n-th printable ASCII character. */
import type { TextCodec } from "../../src/server/text-codec.ts";

export const letterCodec: TextCodec = {
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0) - 32),
  encodeChat: (messages) =>
    letterCodec.encode(messages.map(({ content }) => content).join(" "), true),
  decode: (tokenIds) => tokenIds.map((id) => String.fromCharCode(32 + id)).join(""),
  createDecoder(stop) {
    let held = "";
    return {
      push(tokenId) {
        held += String.fromCharCode(32 + tokenId);
        const at = stop.map((s) => held.indexOf(s)).find((index) => index >= 0);
        if (at !== undefined) return { text: held.slice(0, at), stopped: true };
        const keep = Math.max(0, ...stop.map((s) => s.length - 1));
        const text = held.slice(0, Math.max(0, held.length - keep));
        held = held.slice(text.length);
        return { text, stopped: false };
      },
      finish: () => held,
    };
  },
};
