/** Watches the conditions of a cell while it runs: the client's own delay, the machine, the server's cache. */
import type { LoadConditions } from "../metrics/conditions.ts";
import { describe } from "../metrics/quantile.ts";
import { readPage } from "../openai/client.ts";
import { activityBetween, readMachineCounters } from "./machine-activity.ts";

/** Often enough for the p99 of a second's cell, seldom enough to cost nothing. */
const probeEveryMs = 10;

/** How late timers fire is how late everything else on this thread may be. */
class DelayProbe {
  readonly #delaysMs: number[] = [];
  #timer: NodeJS.Timeout;
  #dueMs = 0;

  constructor() {
    this.#timer = this.#arm();
  }

  stop(): LoadConditions["clientDelayMs"] {
    clearTimeout(this.#timer);
    const found = describe(this.#delaysMs);
    return { mean: found?.mean ?? 0, p99: found?.p99 ?? 0, max: found?.max ?? 0 };
  }

  #arm(): NodeJS.Timeout {
    this.#dueMs = performance.now() + probeEveryMs;
    return setTimeout(() => {
      this.#delaysMs.push(Math.max(0, performance.now() - this.#dueMs));
      this.#timer = this.#arm();
    }, probeEveryMs);
  }
}

/** vLLM's counter, which our server has too. */
const hitsLine = /^vllm:prefix_cache_hits(?:_total)?(?:\{[^}]*\})? (\S+)$/gm;
/** A server that is slow to say gets on with its work instead. */
const scrapeTimeoutMs = 2_000;

async function cacheHits(server: Server): Promise<number | undefined> {
  const page = await readPage(server.baseUrl, "/metrics", {
    apiKey: server.apiKey,
    timeoutMs: scrapeTimeoutMs,
  }).catch(() => "");
  const values = [...page.matchAll(hitsLine)].map((match) => Number(match[1]));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}

interface Server {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
}

export interface ConditionsWatch {
  /** Ends the watch; the last questions to the server are asked now. */
  stop(): Promise<LoadConditions>;
}

/** Begins to watch; call it right before the cell. */
export async function watchConditions(server: Server): Promise<ConditionsWatch> {
  const hitsBefore = await cacheHits(server);
  const before = readMachineCounters();
  const probe = new DelayProbe();
  return {
    async stop() {
      const clientDelayMs = probe.stop();
      const machine = activityBetween(before, readMachineCounters());
      const hitsAfter = hitsBefore === undefined ? undefined : await cacheHits(server);
      return {
        clientDelayMs,
        machine,
        prefixCacheHitTokens:
          hitsBefore === undefined || hitsAfter === undefined ? undefined : hitsAfter - hitsBefore,
      };
    },
  };
}
