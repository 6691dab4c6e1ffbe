/** The line to an engine in a worker thread. */
import { Worker } from "node:worker_threads";
import type { EngineOptions } from "./load-engine.ts";
import type { EngineChannel, FromEngine, ToEngine } from "./protocol.ts";

/** From src/ (tests) the compiled worker is taken: Node 20 cannot run TypeScript. */
function workerUrl(): URL {
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? "../../dist/engine/worker.js" : "./worker.js", here);
}

/** Longer than any step or load of a matrix takes; a thread that is still there hangs. */
const stopLimitMs = 20_000;

/** Starts the thread; it begins to load at once. */
export function openWorkerChannel(options: EngineOptions): EngineChannel {
  const worker = new Worker(workerUrl(), { workerData: options, execArgv: [] });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
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
      // Between two steps the thread ends by itself. Ended inside a native call, it would take the
      // whole process with it: the addon cannot throw into a thread that is being torn down.
      worker.postMessage({ kind: "stop" } satisfies ToEngine);
      const killer = setTimeout(() => void worker.terminate(), stopLimitMs);
      await exited;
      clearTimeout(killer);
    },
  };
}
