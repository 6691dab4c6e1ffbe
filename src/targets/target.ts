/** What answers HTTP: a server that is started for a format, asked for its facts, and stopped. */

/** How to start a format on a target. */
export interface TargetRequest {
  /** A folder, a hub id, "bundled" or "dummy:SHAPE". */
  readonly model: string;
  readonly format: string;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  readonly threads: number | undefined;
  readonly seed: number;
}

/** What is known of a running server; what cannot be known is undefined, never guessed. */
export interface TargetFacts {
  readonly server: string;
  readonly version: string | undefined;
  readonly device: string | undefined;
  readonly kernel: string | undefined;
  readonly weightBytes: number | undefined;
  readonly bitsPerWeight: number | undefined;
  readonly kvCacheBytes: number | undefined;
  readonly kvBytesPerToken: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  readonly trained: boolean | undefined;
  /** The server's own answer, whole. */
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface RunningTarget {
  readonly baseUrl: string;
  readonly modelName: string;
  /** Of the server's process where we started it. */
  readonly pid: number | undefined;
  /** Asked anew each time: memory moves. */
  facts(): Promise<TargetFacts>;
  /** Settles with a reason as soon as the server is known to be gone; never rejects. */
  readonly died: Promise<string>;
  /** Last lines of its log. */
  logTail(): string;
  /** Stops it and waits until its process is gone; idempotent. */
  stop(): Promise<void>;
}

export interface Target {
  readonly name: string;
  /** Starts a server and waits until it answers. @throws target-failed with the log's tail */
  start(
    request: TargetRequest,
    onProgress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<RunningTarget>;
}
