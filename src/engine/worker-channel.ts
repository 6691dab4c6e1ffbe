/** The line to an engine in a worker thread. */
import { Worker } from "node:worker_threads";
import type { EngineOptions } from "./load-engine.ts";
import type { EngineChannel, FromEngine } from "./protocol.ts";

/** From src/ (tests) the compiled worker is taken: Node 20 cannot run TypeScript. */
function workerUrl(): URL {
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? "../../dist/engine/worker.js" : "./worker.js", here);
}

/** Starts the thread; it begins to load at once. */
export function openWorkerChannel(options: EngineOptions): EngineChannel {
  const worker = new Worker(workerUrl(), { workerData: options, execArgv: [] });
  return {
    post: (message) => worker.postMessage(message),
    listen(onMessage, onClosed) {
      let reason = "";
      worker.on("message", (message: FromEngine) => onMessage(message));
      worker.on("error", (error) => {
        reason = error.stack ?? error.message;
      });
      worker.on("exit", (code) =>
        onClosed(reason === "" ? `its thread ended with code ${code}` : reason),
      );
    },
    async terminate() {
      await worker.terminate();
    },
  };
}
