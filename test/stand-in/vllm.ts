/**
 * A program that behaves like `vllm serve` without computing anything: it replays a log at a given
 * pace, binds its port late, serves the API through our mock, and fails, hangs or leaves an orphan
 * on demand. Figures from it are simulated and say so. Started as `vllm.mjs SCENARIO.json serve ...`.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";

export interface Scenario {
  /** Answer to --version. */
  readonly version: string;
  /** Text of the log; {model} and {port} are filled in. */
  readonly log: string;
  /** Ends with this code after its log, instead of serving. */
  readonly exitCode?: number;
  /** Ends with this code while it serves, once so many completions were answered. */
  readonly exitAfterRequests?: number;
  /** Never binds its port and never ends. */
  readonly isHanging?: boolean;
  /** Only SIGKILL ends the front. */
  readonly ignoresSigterm?: boolean;
  /** Starts a child, as vLLM's engine is one, that outlives the front when that is killed. */
  readonly hasEngine?: boolean;
  /** Claims that its port is taken the first time, by a file that remembers. */
  readonly portTakenOnce?: string;
}

const [scenarioPath = "", ...words] = process.argv.slice(2);

/** The engine: a process that does nothing and does not care that its parent is gone. */
if (words[0] === "engine") {
  process.on("SIGINT", () => {});
  setInterval(() => {}, 60_000);
} else {
  await main(JSON.parse(readFileSync(scenarioPath, "utf8")));
}

async function main(scenario: Scenario): Promise<void> {
  if (words.includes("--version")) {
    process.stdout.write(`Some library says hello.\n${scenario.version}\n`);
    return;
  }
  const port = Number(wordAfter("--port"));
  const model = wordAfter("--served-model-name");
  if (scenario.ignoresSigterm !== true) {
    process.on("SIGTERM", () => {
      process.stderr.write("(APIServer pid=1) INFO 11-24 00:00:00 [launcher.py:1] Shutting down\n");
      process.exit(0);
    });
  } else process.on("SIGTERM", () => {});
  if (scenario.hasEngine === true) startEngine();
  process.stderr.write(scenario.log.replaceAll("{model}", model).replaceAll("{port}", `${port}`));
  if (scenario.portTakenOnce !== undefined && (await isFirst(scenario.portTakenOnce))) {
    process.stderr.write("OSError: [Errno 98] Address already in use\n");
    process.exit(1);
  }
  if (scenario.exitCode !== undefined) process.exit(scenario.exitCode);
  if (scenario.isHanging === true) setInterval(() => {}, 60_000);
  else await serve(scenario, model, port);
}

function wordAfter(flag: string): string {
  return words[words.indexOf(flag) + 1] ?? "";
}

function startEngine(): void {
  const script = process.argv[1] ?? "";
  const engine = spawn(process.execPath, [script, scenarioPath, "engine"], { stdio: "inherit" });
  process.on("exit", () => engine.kill("SIGKILL"));
}

async function isFirst(path: string): Promise<boolean> {
  const { writeFile } = await import("node:fs/promises");
  return writeFile(path, "", { flag: "wx" }).then(
    () => true,
    () => false,
  );
}

/** The mock behind a thin front that ends when it is told to. */
async function serve(scenario: Scenario, model: string, port: number): Promise<void> {
  // Loaded late: most scenarios end before they serve.
  const { startMockServer } = await import("../../src/openai/mock-server.ts");
  const mock = await startMockServer({ ttftMs: 1, itlMs: 1, model, listTokenIds: true });
  let answered = 0;
  const front = createServer((incoming, outgoing) => {
    const { method, headers, url = "/" } = incoming;
    const isCompletion = url.includes("completions");
    if (isCompletion && answered++ >= (scenario.exitAfterRequests ?? Number.POSITIVE_INFINITY)) {
      process.stderr.write(
        "(EngineCore pid=2) ERROR 11-24 00:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n",
      );
      process.exit(1);
    }
    const inner = request(`${mock.baseUrl}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    inner.once("error", () => outgoing.destroy());
    incoming.pipe(inner);
  });
  front.listen(port, "127.0.0.1", () =>
    process.stderr.write("INFO:     Application startup complete.\n"),
  );
}
