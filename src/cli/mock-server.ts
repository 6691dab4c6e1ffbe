/** `quantlab mock-server`: answers with a given TTFT and ITL, to measure the load generator itself. */
import { once } from "node:events";
import { Command } from "commander";
import { startMockServer } from "../openai/mock-server.ts";
import { milliseconds, positiveInteger, wholeNumber } from "./option-values.ts";

interface MockFlags {
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly tokensPerChunk: number;
  readonly port: number;
  readonly json: boolean;
}

const example = `
Example: what the client adds to TTFT and ITL on this machine
  $ quantlab mock-server --ttft-ms 50 --itl-ms 10 --port 8001 &
  $ quantlab bench throughput --base-url http://127.0.0.1:8001 --output-len 100`;

export function mockServerCommand(): Command {
  return new Command("mock-server")
    .description("a server with known latencies, to measure the load generator itself")
    .option("--ttft-ms <ms>", "from a request's arrival to its first token", milliseconds, 50)
    .option("--itl-ms <ms>", "between tokens", milliseconds, 10)
    .option("--tokens-per-chunk <n>", "tokens in each event", positiveInteger, 1)
    .option("--port <n>", "on 127.0.0.1; 0 picks a free one", wholeNumber, 0)
    .option("--json", "the ready line as JSON on stdout", false)
    .addHelpText("after", example)
    .action(runMockServer);
}

async function runMockServer(flags: MockFlags): Promise<void> {
  const server = await startMockServer(flags);
  const ready = { event: "ready", baseUrl: server.baseUrl };
  if (flags.json) process.stdout.write(`${JSON.stringify(ready)}\n`);
  process.stderr.write(
    `mock server at ${server.baseUrl}: TTFT ${flags.ttftMs} ms, ITL ${flags.itlMs} ms; Ctrl-C ends it\n`,
  );
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await server.close();
}
