/** Prompts and arrival times to a frozen manifest. */
import { Random } from "../base/random.ts";
import type { ArrivalProcess } from "./arrivals/arrival.ts";
import { freeze } from "./manifest.ts";
import type { PromptSource } from "./prompts/prompt-source.ts";
import type { RequestManifest } from "./request.ts";

export interface DrawOptions {
  readonly prompts: PromptSource;
  /** undefined keeps the times that the prompts bring. */
  readonly arrivals: ArrivalProcess | undefined;
  readonly count: number;
  readonly seed: number;
}

/** Beyond the 32 bits that people use for seeds, so that no user seed gives this stream. */
const arrivalStream = 2 ** 40;

/**
 * Draws a cell's requests. Prompts and arrivals have a random stream each, so the same seed gives
 * the same prompts at every rate.
 * @throws dataset-invalid, usage as the prompt source does
 */
export async function drawRequests(options: DrawOptions): Promise<RequestManifest> {
  const { prompts, arrivals, count, seed } = options;
  const drawn = await prompts.draw(count, new Random(seed));
  const times = arrivals?.times(count, new Random(seed + arrivalStream));
  return freeze({
    prompts: prompts.description,
    arrivals: arrivals?.description ?? prompts.arrivals ?? "all at once",
    seed,
    requests: drawn.map((drawnPrompt, index) => ({
      index,
      ...drawnPrompt,
      intendedMs: times === undefined ? (drawnPrompt.intendedMs ?? 0) : (times[index] ?? 0),
    })),
  });
}
