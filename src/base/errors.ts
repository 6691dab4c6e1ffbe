/** The one error class of quantlab and the catalogue of its codes, with the exit code each one gives. */

/**
 * Exit codes of the command line: 0 done, 1 a measured threshold failed, 2 wrong usage or
 * configuration, 3 the preflight refused, 4 a target failed, 5 interrupted and resumable, 70 a bug.
 */
export const catalogue = {
  /** A flag, argument or configuration value is wrong. */
  usage: 2,
  /** lab.yaml or another configuration file does not parse or validate. */
  "config-invalid": 2,
  /** A file or folder that the user named does not exist or cannot be read. */
  "file-not-found": 2,
  /** A safetensors file breaks the format's rules. */
  "checkpoint-malformed": 2,
  /** A checkpoint is well formed but not what was asked for (format, dtype, shape, missing tensor). */
  "checkpoint-mismatch": 2,
  /** The architecture, RoPE type or activation in config.json is not one we run. */
  "architecture-unsupported": 2,
  /** A format cannot hold a matrix of this shape, or the values in it. */
  "format-unsupported": 2,
  /** A tokenizer or chat template is missing or wrong. */
  "tokenizer-invalid": 2,
  /** A request to the server breaks the API's rules; becomes HTTP 400. */
  "request-invalid": 2,
  /** A request is longer than the model or the KV cache allows; becomes HTTP 400. */
  "request-too-long": 2,
  /** A request names a model that this server does not serve; becomes HTTP 404. */
  "model-not-served": 2,
  /** A request brings no API key, or a wrong one; becomes HTTP 401. */
  "key-refused": 2,
  /** The server's queue is full; becomes HTTP 429. */
  "server-busy": 4,
  /** The native addon is missing or was built for another Node. */
  "addon-missing": 2,
  /** The preflight found something that would fail later. */
  "preflight-refused": 3,
  /** A target (server under test) did not start, died or hung. */
  "target-failed": 4,
  /** A request of the load generator failed. */
  "request-failed": 4,
  /** The engine or its worker thread is gone. */
  "engine-stopped": 4,
  /** A run folder is not one, was written by another version, or belongs to another plan. */
  "run-invalid": 2,
  /** A data set is missing or malformed. */
  "dataset-invalid": 2,
  /** Not enough memory for what was asked. */
  "out-of-memory": 4,
  /** A measured threshold failed (`compare --fail-if`). */
  "threshold-failed": 1,
  /** The user interrupted; what is finished is kept. */
  interrupted: 5,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof catalogue;

/** Exit code of an error that is not a QuantlabError: a bug of ours. */
export const bugExitCode = 70;

/**
 * An operational error: something outside the program is wrong, and the message teaches.
 * `message` says what was found and what was expected; `hint` says what to do.
 */
export class QuantlabError extends Error {
  override readonly name = "QuantlabError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The process exit code of any thrown value. */
export function exitCodeOf(error: unknown): number {
  return error instanceof QuantlabError ? catalogue[error.code] : bugExitCode;
}

/** Message and hint on one or two lines, for people. */
export function describeError(error: unknown): string {
  if (error instanceof QuantlabError) {
    return error.hint === undefined ? error.message : `${error.message}\n  hint: ${error.hint}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Crashes on a broken invariant of our own: a bug, never an operational error. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
