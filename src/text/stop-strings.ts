/** Looks for stop strings in a stream of text, and holds back what might be the beginning of one. */

export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /**
   * Takes the next text; gives what is certainly before any stop string. The stop string that is
   * complete first wins, and of two that end together the longer, so that the result does not depend
   * on how the text was cut.
   */
  push(text: string): { text: string; stopped: string | undefined } {
    const all = this.#held + text;
    const found = this.#earliest(all);
    if (found !== undefined) {
      this.#held = "";
      return { text: all.slice(0, found.end - found.stop.length), stopped: found.stop };
    }
    const keep = this.#beginningLength(all);
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: undefined };
  }

  /** What is still held, when no more text comes. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #earliest(text: string): { stop: string; end: number } | undefined {
    let best: { stop: string; end: number } | undefined;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const end = at + stop.length;
      const wins =
        best === undefined ||
        end < best.end ||
        (end === best.end && stop.length > best.stop.length);
      if (wins) best = { stop, end };
    }
    return best;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #beginningLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
