/** The load generator: a frozen manifest against any OpenAI-compatible server, to request records. */
import type { Clock } from "../base/clock.ts";
import type { LoadConditions } from "../metrics/conditions.ts";
import type { RequestRecord } from "../metrics/record.ts";
import {
  encodeCompletionRequest,
  OpenAiClient,
  type StreamOutcome,
  type Transfer,
} from "../openai/client.ts";
import { watchConditions } from "./conditions.ts";
import { closedLoop, openLoop } from "./loop.ts";
import type { FrozenRequest, RequestManifest } from "./request.ts";

export type LoadMode =
  | { readonly kind: "open"; readonly maxConcurrency?: number | undefined }
  | { readonly kind: "closed"; readonly concurrency: number };

export interface LoadProgress {
  readonly done: number;
  readonly failed: number;
  readonly inFlight: number;
  readonly total: number;
  readonly outputTokens: number;
  readonly elapsedMs: number;
}

export interface LoadOptions {
  /** With or without a trailing "/v1". */
  readonly baseUrl: string;
  readonly modelName: string;
  readonly manifest: RequestManifest;
  readonly mode: LoadMode;
  /** Every answer has exactly its maxTokens tokens, on servers that know `ignore_eos`. */
  readonly ignoreEos: boolean;
  readonly apiKey?: string | undefined;
  readonly clock: Clock;
  /** When to start, on this clock; asked for once the sockets are open. Default: at once. */
  readonly begin?: (() => Promise<number>) | undefined;
  /** Ends the cell: requests in flight fail as "aborted", the rest as "not-sent". */
  readonly signal?: AbortSignal | undefined;
  /** Called in order of completion, one at a time; a promise is waited for before the next. */
  readonly onRecord?: ((record: RequestRecord) => void | Promise<void>) | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly keepText?: boolean | undefined;
  /**
   * Look at the sockets without a pause instead of sleeping until one of them has something: no
   * stamp waits for a sleeping core to wake. Costs a core, so it is for clients that have one to spare.
   */
  readonly busyPoll?: boolean | undefined;
  /** Silence after which a request counts as stalled; default 10 minutes. */
  readonly stallTimeoutMs?: number | undefined;
}

export interface LoadResult {
  /** One for each request of the manifest, in its order. */
  readonly records: readonly RequestRecord[];
  readonly startedWallMs: number;
  /** The start on the clock's monotonic time: zero of every record's times. */
  readonly originMs: number;
  /** From the start of the cell to the end of the last response. */
  readonly durationMs: number;
  readonly conditions: LoadConditions;
}

/** Refused connections in a row after which the server counts as dead. */
const refusalsOfADeadServer = 3;

/** Runs one cell. Rejects only when `onRecord` does; a failed request is a record. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { clock, manifest, mode } = options;
  const cell = new Cell(options);
  const abort = () => cell.abort(abortReason(options.signal));
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  const poll = options.busyPoll ? pollBusily() : undefined;
  try {
    await cell.preconnect();
    const watch = await watchConditions(options);
    const originMs = (await options.begin?.()) ?? clock.nowMs();
    const startedWallMs = clock.wallMs();
    cell.start(originMs);
    const context = {
      clock,
      originMs,
      stop: cell.stopSignal,
      send: (request: FrozenRequest, intendedMs: number) => cell.send(request, intendedMs),
    };
    if (mode.kind === "open") await openLoop(manifest.requests, context, mode.maxConcurrency);
    else await closedLoop(manifest.requests, context, mode.concurrency);
    const conditions = await watch.stop();
    const records = await cell.finish();
    const durationMs = records.reduce((last, record) => Math.max(last, record.doneMs), 0);
    return { records, startedWallMs, originMs, durationMs, conditions };
  } finally {
    poll?.stop();
    options.signal?.removeEventListener("abort", abort);
  }
}

/** An event loop with something to do at once does not wait for its sockets. */
function pollBusily(): { stop(): void } {
  let next: NodeJS.Immediate;
  const turn = () => {
    next = setImmediate(turn);
  };
  turn();
  return { stop: () => clearImmediate(next) };
}

/** Why a signal was aborted, in words. */
export function abortReason(signal: AbortSignal | undefined): string {
  const reason: unknown = signal?.reason;
  if (reason instanceof Error && reason.name !== "AbortError") return reason.message;
  return typeof reason === "string" ? reason : "the load run was aborted";
}

/** The state of one running cell. */
class Cell {
  readonly #options: LoadOptions;
  readonly #client: OpenAiClient;
  readonly #bodies: ReadonlyMap<number, Buffer>;
  readonly #records = new Map<number, RequestRecord>();
  readonly #stop = new AbortController();
  #stopReason = "the load run was aborted";
  #originMs = 0;
  #inFlight = 0;
  #failed = 0;
  #outputTokens = 0;
  #refusals = 0;
  #decoded: Promise<unknown> = Promise.resolve();
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: LoadOptions) {
    this.#options = options;
    const { mode, manifest } = options;
    this.#client = new OpenAiClient({
      ...options,
      connections: mode.kind === "closed" ? mode.concurrency : mode.maxConcurrency,
    });
    // Encoded before the start: a burst of long prompts must not wait for JSON.
    this.#bodies = new Map(
      manifest.requests.map((request) => [request.index, this.#encode(request)]),
    );
  }

  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Opens the sockets of the first second, so that no latency holds the time of a TCP connect. */
  async preconnect(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { mode, manifest } = this.#options;
    const cap = mode.kind === "closed" ? mode.concurrency : (mode.maxConcurrency ?? Infinity);
    const early = manifest.requests.filter((request) => request.intendedMs < 1e3).length;
    await this.#client.preconnect(Math.min(cap, early));
  }

  start(originMs: number): void {
    this.#originMs = originMs;
  }

  abort(reason: string): void {
    this.#stopSending(reason);
    this.#client.abort(reason);
  }

  async send(request: FrozenRequest, intendedMs: number): Promise<void> {
    this.#inFlight++;
    const transfer = await this.#client.transfer(this.#bodyOf(request));
    this.#inFlight--;
    this.#watchForDeath(transfer);
    // Not waited for: the place is free, and the next request need not wait for this one's JSON.
    const kept = transfer.decode().then((outcome) => {
      this.#keep(this.#toRecord(request, intendedMs, outcome));
    });
    this.#decoded = Promise.all([this.#decoded, kept]);
  }

  /** Accounts for what was never sent, and waits until every record has been delivered. */
  async finish(): Promise<readonly RequestRecord[]> {
    const { requests } = this.#options.manifest;
    await this.#decoded;
    for (const request of requests) {
      if (!this.#records.has(request.index)) this.#keep(this.#notSent(request));
    }
    this.#client.close();
    await this.#delivered;
    return requests
      .map((request) => this.#records.get(request.index))
      .filter((r) => r !== undefined);
  }

  #encode(request: FrozenRequest): Buffer {
    const body = encodeCompletionRequest({
      model: this.#options.modelName,
      prompt: request.prompt,
      maxTokens: request.maxTokens,
      ignoreEos: this.#options.ignoreEos,
    });
    return this.#client.prepare(body);
  }

  #bodyOf(request: FrozenRequest): Buffer {
    return this.#bodies.get(request.index) ?? this.#encode(request);
  }

  #stopSending(reason: string): void {
    if (this.#stop.signal.aborted) return;
    this.#stopReason = reason;
    this.#stop.abort();
  }

  #watchForDeath({ transportError }: Transfer): void {
    this.#refusals = transportError?.code === "connection-refused" ? this.#refusals + 1 : 0;
    if (this.#refusals < refusalsOfADeadServer) return;
    this.#stopSending(
      `the server is gone: it refused ${this.#refusals} connections in a row, so the rest was not sent`,
    );
  }

  #keep(record: RequestRecord): void {
    this.#records.set(record.index, record);
    if (record.error === undefined) this.#outputTokens += record.outputTokens;
    else this.#failed++;
    const { onRecord, onProgress, clock, manifest } = this.#options;
    if (onRecord !== undefined) this.#delivered = this.#delivered.then(() => onRecord(record));
    // finish() reports the rejection; there is no use in measuring on what cannot be kept.
    this.#delivered.catch(() => this.abort("a record could not be kept"));
    onProgress?.({
      done: this.#records.size,
      failed: this.#failed,
      inFlight: this.#inFlight,
      total: manifest.requests.length,
      outputTokens: this.#outputTokens,
      elapsedMs: clock.nowMs() - this.#originMs,
    });
  }

  #toRecord(request: FrozenRequest, intendedMs: number, outcome: StreamOutcome): RequestRecord {
    const relative = (atMs: number) => atMs - this.#originMs;
    const { usage, firstByteMs, eventTokens } = outcome;
    return {
      index: request.index,
      intendedMs,
      sentMs: relative(outcome.sentMs),
      firstByteMs: firstByteMs === undefined ? undefined : relative(firstByteMs),
      tokenTimesMs: outcome.eventTimesMs.map(relative),
      ...(eventTokens === undefined ? {} : { chunkTokens: eventTokens }),
      doneMs: relative(outcome.doneMs),
      promptTokens: usage?.promptTokens ?? request.promptTokens,
      ...(usage?.cachedTokens === undefined ? {} : { cachedPromptTokens: usage.cachedTokens }),
      outputTokens: usage?.completionTokens ?? outcome.eventTimesMs.length,
      outputTokensSource: usage === undefined ? "chunks" : "usage",
      requestedOutputTokens: request.maxTokens,
      finishReason: outcome.finishReason,
      error: outcome.error,
      ...(this.#options.keepText ? { text: outcome.text } : {}),
    };
  }

  #notSent(request: FrozenRequest): RequestRecord {
    const nowMs = this.#options.clock.nowMs() - this.#originMs;
    return {
      index: request.index,
      intendedMs: this.#options.mode.kind === "open" ? request.intendedMs : nowMs,
      sentMs: nowMs,
      firstByteMs: undefined,
      tokenTimesMs: [],
      doneMs: nowMs,
      promptTokens: request.promptTokens,
      outputTokens: 0,
      outputTokensSource: "chunks",
      requestedOutputTokens: request.maxTokens,
      finishReason: undefined,
      error: { code: "not-sent", message: this.#stopReason },
    };
  }
}
