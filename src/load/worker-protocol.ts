/** What the load generator and its worker threads say to each other; plain data. */
import type { LoadConditions } from "../metrics/conditions.ts";
import type { RequestRecord } from "../metrics/record.ts";
import type { LoadOptions } from "./generator.ts";

/** A worker's part of a cell, as its workerData. */
export type WorkerTask = Omit<
  LoadOptions,
  "clock" | "signal" | "onRecord" | "onProgress" | "begin"
>;

export type ToWorker =
  /** Starts at this time of the machine's monotonic clock. */
  | { readonly kind: "go"; readonly originMachineMs: number }
  | { readonly kind: "abort"; readonly reason: string };

export type FromWorker =
  /** Sockets are open. */
  | { readonly kind: "ready" }
  | { readonly kind: "record"; readonly record: RequestRecord }
  | { readonly kind: "done"; readonly conditions: LoadConditions };
