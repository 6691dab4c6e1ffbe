/** `quantlab mock-server`: answers with a given TTFT and ITL, to measure the load generator itself. */
import { once } from "node:events";
import { Command, Option } from "commander";
import { type MockFault, startMockServer } from "../openai/mock-server.ts";
import { milliseconds, port, positiveInteger, wholeNumber } from "./option-values.ts";

interface MockFlags {
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly jitterMs: number;
  readonly tokensPerChunk: number;
  readonly chunksPerWrite: number;
  readonly listTokenIds: boolean;
  readonly fault?: (typeof faultNames)[number];
  readonly faultAfter: number;
  readonly faultEvery: number;
  readonly port: number;
  readonly json: boolean;
}

const faultNames = [
  "stall",
  "reset",
  "cut",
  "error-event",
  "malformed",
  "short",
  "no-usage",
  "no-output",
  "http-429",
  "http-500",
] as const;

const example = `
Example: what the client adds to TTFT and ITL on this machine
  $ quantlab mock-server --ttft-ms 50 --itl-ms 10 --port 8001 &
  $ quantlab bench throughput --base-url http://127.0.0.1:8001 --output-len 100

Every third answer breaks off after five tokens
  $ quantlab mock-server --fault reset --fault-after 5 --fault-every 3`;

export function mockServerCommand(): Command {
  return new Command("mock-server")
    .description("a server with known latencies, to measure the load generator itself")
    .option("--ttft-ms <ms>", "from a request's arrival to its first token", milliseconds, 50)
    .option("--itl-ms <ms>", "between tokens", milliseconds, 10)
    .option("--jitter-ms <ms>", "each event leaves up to so much later, at random", milliseconds, 0)
    .option("--tokens-per-chunk <n>", "tokens in each event", positiveInteger, 1)
    .option("--chunks-per-write <n>", "events that leave together", positiveInteger, 1)
    .option("--list-token-ids", "each event lists its token ids, as vLLM does on request", false)
    .addOption(new Option("--fault <kind>", "what goes wrong with answers").choices(faultNames))
    .option("--fault-after <n>", "tokens before a fault in mid-stream", wholeNumber, 2)
    .option("--fault-every <n>", "the fault meets every n-th request", positiveInteger, 1)
    .option("--port <n>", "on 127.0.0.1; 0 picks a free one", port, 0)
    .option("--json", "the ready line as JSON on stdout", false)
    .addHelpText("after", example)
    .action(runMockServer);
}

async function runMockServer(flags: MockFlags): Promise<void> {
  const fault = faultOf(flags);
  const server = await startMockServer({
    ...flags,
    // A measurement of hours must not fill memory with what was asked.
    keepRequests: false,
    faultOf: (request) => ((request + 1) % flags.faultEvery === 0 ? fault : undefined),
  });
  const ready = { event: "ready", baseUrl: server.baseUrl };
  if (flags.json) process.stdout.write(`${JSON.stringify(ready)}\n`);
  process.stderr.write(
    `mock server at ${server.baseUrl}: TTFT ${flags.ttftMs} ms, ITL ${flags.itlMs} ms; Ctrl-C ends it\n`,
  );
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await server.close();
}

function faultOf({ fault, faultAfter }: MockFlags): MockFault | undefined {
  switch (fault) {
    case undefined:
      return undefined;
    case "no-usage":
    case "no-output":
      return { kind: fault };
    case "http-429":
      return { kind: "http", status: 429, message: "the queue is full" };
    case "http-500":
      return { kind: "http", status: 500, message: "the engine failed" };
    default:
      return { kind: fault, afterTokens: faultAfter };
  }
}
