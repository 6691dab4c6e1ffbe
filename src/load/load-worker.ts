/** The worker thread's entry: runs its part of a cell, on the schedule that all parts share. */
import { parentPort, workerData } from "node:worker_threads";
import { machineOffsetMs, systemClock } from "../base/clock.ts";
import { assert } from "../base/errors.ts";
import { runLoad } from "./generator.ts";
import type { FromWorker, ToWorker, WorkerTask } from "./worker-protocol.ts";

const port = parentPort;
assert(port !== null, "load-worker.ts runs in a worker thread only");
const post = (message: FromWorker) => port.postMessage(message);

const abort = new AbortController();
let go: (originMachineMs: number) => void = () => {};
const origin = new Promise<number>((resolve) => {
  go = resolve;
});
port.on("message", (message: ToWorker) => {
  if (message.kind === "go") go(message.originMachineMs);
  else abort.abort(message.reason);
});

// A border: what the main thread passes is what it typed.
const task = workerData as WorkerTask;
const { conditions } = await runLoad({
  ...task,
  clock: systemClock,
  signal: abort.signal,
  begin: async () => {
    post({ kind: "ready" });
    const originMs = (await origin) - machineOffsetMs();
    await systemClock.sleepUntil(originMs, abort.signal);
    return originMs;
  },
  onRecord: (record) => post({ kind: "record", record }),
});
post({ kind: "done", conditions });
port.close();
