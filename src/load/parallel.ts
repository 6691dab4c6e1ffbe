/** One cell by several worker threads: for more events a second than one thread can stamp in time. */
import { Worker } from "node:worker_threads";
import { machineOffsetMs } from "../base/clock.ts";
import { QuantlabError } from "../base/errors.ts";
import type { LoadConditions } from "../metrics/conditions.ts";
import type { RequestRecord } from "../metrics/record.ts";
import { abortReason, type LoadMode, type LoadOptions, type LoadResult } from "./generator.ts";
import { freeze } from "./manifest.ts";
import type { RequestManifest } from "./request.ts";
import type { FromWorker, ToWorker, WorkerTask } from "./worker-protocol.ts";

/** From src/ (tests) the compiled worker is taken: Node 20 cannot run TypeScript. */
function workerUrl(): URL {
  const here = import.meta.url;
  const path = here.endsWith(".ts") ? "../../dist/load/load-worker.js" : "./load-worker.js";
  return new URL(path, here);
}

/** Between the last worker's readiness and the start: longer than a message takes. */
const headStartMs = 50;

/**
 * As runLoad, with the requests dealt out to `workers` threads. Each keeps its part of a concurrency
 * limit, so a closed loop needs at least as many requests in flight as there are workers.
 */
export async function runLoadInWorkers(options: LoadOptions, workers: number): Promise<LoadResult> {
  const parts = splitCell(options.manifest, options.mode, workers);
  const collector = new Collector(options);
  const threads = parts.map((part) => new LoadThread(taskOf(options, part), collector));
  const abort = () => {
    for (const thread of threads) thread.abort(abortReason(options.signal));
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.all(threads.map((thread) => thread.ready));
    if (options.signal?.aborted) abort();
    const startedWallMs = options.clock.wallMs() + headStartMs;
    const originMs = options.clock.nowMs() + headStartMs;
    collector.start(originMs);
    for (const thread of threads) thread.go(originMs + machineOffsetMs());
    const conditions = await Promise.all(threads.map((thread) => thread.done));
    const records = await collector.finish();
    const durationMs = records.reduce((last, record) => Math.max(last, record.doneMs), 0);
    return { records, startedWallMs, originMs, durationMs, conditions: mergeAll(conditions) };
  } finally {
    options.signal?.removeEventListener("abort", abort);
    for (const thread of threads) thread.end();
  }
}

interface Part {
  readonly manifest: RequestManifest;
  readonly mode: LoadMode;
}

/** Deals requests out in turn and limits as evenly as whole numbers allow. */
export function splitCell(manifest: RequestManifest, mode: LoadMode, workers: number): Part[] {
  const limit = mode.kind === "closed" ? mode.concurrency : mode.maxConcurrency;
  const count = Math.min(workers, limit ?? workers, manifest.requests.length);
  return Array.from({ length: count }, (_, part) => {
    const requests = manifest.requests.filter((_, i) => i % count === part);
    const share = (whole: number) => Math.floor(whole / count) + (part < whole % count ? 1 : 0);
    return {
      manifest: freeze({ ...manifest, requests }),
      mode:
        mode.kind === "closed"
          ? { kind: "closed", concurrency: share(mode.concurrency) }
          : { kind: "open", maxConcurrency: limit === undefined ? undefined : share(limit) },
    };
  });
}

function taskOf(options: LoadOptions, part: Part): WorkerTask {
  const { baseUrl, modelName, ignoreEos, apiKey, keepText, stallTimeoutMs, busyPoll } = options;
  return { baseUrl, modelName, ignoreEos, apiKey, keepText, stallTimeoutMs, busyPoll, ...part };
}

/** One worker thread. */
class LoadThread {
  readonly ready: Promise<void>;
  readonly done: Promise<LoadConditions>;
  readonly #worker: Worker;

  constructor(task: WorkerTask, collector: Collector) {
    // Room for young objects: a collection in the middle of a burst delays every stamp after it.
    const resourceLimits = { maxYoungGenerationSizeMb: 64 };
    this.#worker = new Worker(workerUrl(), { workerData: task, execArgv: [], resourceLimits });
    let onReady: () => void = () => {};
    let onDone: (conditions: LoadConditions) => void = () => {};
    this.ready = new Promise((resolve, reject) => {
      onReady = resolve;
      this.#worker.once("error", reject);
      this.#worker.once("exit", () => reject(gone()));
    });
    this.done = new Promise((resolve, reject) => {
      onDone = resolve;
      this.#worker.once("error", reject);
      this.#worker.once("exit", () => reject(gone()));
    });
    // Whoever fails first is reported; the others' failures are the same story.
    this.ready.catch(() => {});
    this.done.catch(() => {});
    this.#worker.on("message", (message: FromWorker) => {
      if (message.kind === "ready") onReady();
      else if (message.kind === "record") collector.add(message.record);
      else onDone(message.conditions);
    });
  }

  go(originMachineMs: number): void {
    this.#post({ kind: "go", originMachineMs });
  }

  abort(reason: string): void {
    this.#post({ kind: "abort", reason });
    // A thread that has not begun its schedule yet begins it, to say of each request that it was not sent.
    this.go(performance.now() + machineOffsetMs());
  }

  end(): void {
    void this.#worker.terminate();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}

function gone(): QuantlabError {
  return new QuantlabError("target-failed", "a worker thread of the load generator ended early");
}

/** Records of all threads: kept, counted, and handed on one at a time. */
class Collector {
  readonly #options: LoadOptions;
  readonly #records = new Map<number, RequestRecord>();
  #originMs = 0;
  #failed = 0;
  #outputTokens = 0;
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  start(originMs: number): void {
    this.#originMs = originMs;
  }

  add(record: RequestRecord): void {
    const { onRecord, onProgress, clock, manifest } = this.#options;
    this.#records.set(record.index, record);
    if (record.error === undefined) this.#outputTokens += record.outputTokens;
    else this.#failed++;
    if (onRecord !== undefined) this.#delivered = this.#delivered.then(() => onRecord(record));
    this.#delivered.catch(() => {});
    onProgress?.({
      done: this.#records.size,
      failed: this.#failed,
      inFlight: manifest.requests.length - this.#records.size,
      total: manifest.requests.length,
      outputTokens: this.#outputTokens,
      elapsedMs: clock.nowMs() - this.#originMs,
    });
  }

  /** In the manifest's order, once every one has been handed on. */
  async finish(): Promise<readonly RequestRecord[]> {
    await this.#delivered;
    return this.#options.manifest.requests
      .map((request) => this.#records.get(request.index))
      .filter((record) => record !== undefined);
  }
}

/** The worst thread counts; what they all saw is taken once. */
function mergeAll(all: readonly LoadConditions[]): LoadConditions {
  const delays = all.map(({ clientDelayMs }) => clientDelayMs);
  const worst = (of: (delay: LoadConditions["clientDelayMs"]) => number) =>
    Math.max(0, ...delays.map(of));
  const hits = all.flatMap(({ prefixCacheHitTokens: found }) => found ?? []);
  return {
    clientDelayMs: {
      mean: worst((delay) => delay.mean),
      p99: worst((delay) => delay.p99),
      max: worst((delay) => delay.max),
    },
    machine: all[0]?.machine,
    prefixCacheHitTokens: hits.length === 0 ? undefined : Math.max(...hits),
  };
}
