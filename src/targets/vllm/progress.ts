/** What a loading vLLM is doing, from its log: for a progress line only, since wording differs by version. */

interface Stage {
  readonly pattern: RegExp;
  readonly text: string;
}

/** In the order in which they happen; the last one that has been seen is shown. */
const stages: readonly Stage[] = [
  { pattern: /API server version|version \d+\.\d+\.\d+/, text: "reading its arguments" },
  { pattern: /Resolved architecture|Using max model len/i, text: "reading the model's config" },
  { pattern: /Initializing an?(?: V\d)? LLM engine/, text: "starting the engine" },
  {
    pattern: /Starting to load model|Loading safetensors checkpoint shards/i,
    text: "loading weights",
  },
  {
    pattern: /Loading weights took|Model loading took|Loading model weights took/,
    text: "weights loaded",
  },
  {
    pattern: /Dynamo bytecode transform|torch\.compile|Warming up model for the compilation/,
    text: "compiling",
  },
  { pattern: /KV cache memory|KV cache size|for KV cache on node/, text: "reserving the KV cache" },
  { pattern: /Capturing CUDA graph|Capturing cudagraphs/i, text: "capturing CUDA graphs" },
  { pattern: /init engine \(.*\) took|Graph capturing finished/, text: "engine is up" },
  {
    pattern: /Starting vLLM (?:API )?server|Application startup complete/,
    text: "opening its port",
  },
];

const shards = /checkpoint shards:\s+(\d+)% Completed/;

/** Follows a log as it grows. */
export class LoadProgress {
  #stage = -1;
  #shardPercent: string | undefined;

  /** What it was doing last. */
  get stage(): string {
    return stages[this.#stage]?.text ?? "nothing in its log";
  }

  /** "loading weights, 40 %"; undefined when the line says nothing new. */
  read(line: string): string | undefined {
    const reached = stages.findLastIndex(({ pattern }) => pattern.test(line));
    const percent = shards.exec(line)?.[1];
    const isNews =
      reached > this.#stage || (percent !== undefined && percent !== this.#shardPercent);
    if (reached > this.#stage) this.#stage = reached;
    if (percent !== undefined) this.#shardPercent = percent;
    const text = stages[this.#stage]?.text;
    if (!isNews || text === undefined) return undefined;
    return text === "loading weights" && percent !== undefined ? `${text}, ${percent} %` : text;
  }
}
