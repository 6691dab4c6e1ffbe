/** The worker thread's entry: loads the engine named by workerData and serves its host. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/errors.ts";
import { type EngineOptions, loadEngine } from "./load-engine.ts";
import { EngineLoop, toPlainError } from "./loop.ts";
import type { FromEngine, ToEngine } from "./protocol.ts";

const port = parentPort;
assert(port !== null, "worker.ts runs in a worker thread only");
const post = (message: FromEngine) => port.postMessage(message);

try {
  // A border: what the host passes is what it typed.
  const options = workerData as EngineOptions;
  const { engine, facts } = loadEngine(options, (fraction, text) =>
    post({ kind: "loading", fraction, text }),
  );
  const loop = new EngineLoop(engine, post);
  port.on("message", (message: ToEngine) => {
    loop.receive(message);
    if (message.kind === "stop") port.close();
  });
  post({ kind: "ready", facts, stats: engine.stats() });
} catch (error) {
  post({ kind: "failed", error: toPlainError(error) });
}
