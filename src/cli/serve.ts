/** `quantlab serve`: the OpenAI-compatible server on the embedded engine. */
import { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { formatBytes, formatDuration, significant } from "../base/units.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { startEngine } from "../engine/host.ts";
import { kernels } from "../kernels/binding.ts";
import type { ServerFacts } from "../openai/facts.ts";
import { type AppOptions, createApp, listen, requireAddress, shutDown } from "../server/app.ts";
import { createModelCodec } from "../server/model-codec.ts";
import { serverFacts } from "../server/service.ts";
import { loadChatTemplate, loadTokenizer } from "../text/load.ts";
import { addEngineFlags, type EngineFlags, engineOptionsOf } from "./engine-options.ts";
import { port, wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { endsWithParent, waitForEnd } from "./serve-end.ts";
import { defaultThreads } from "./threads.ts";
import { packageVersion } from "./version.ts";

interface ServeFlags extends EngineFlags {
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly servedModelName?: string;
  readonly maxQueue: number;
  readonly json: boolean;
  readonly exitWithParent: boolean;
}

const examples = `
Examples:
  $ quantlab serve --model dummy:llama-3.2-1b --format awq
  $ quantlab serve --model ./Llama-3.2-1B-Instruct --format fp8 --max-model-len 8192 --port 8080
  $ curl http://127.0.0.1:8000/v1/completions -H 'content-type: application/json' \\
      -d '{"prompt": "Once upon a time", "max_tokens": 32, "stream": true}'

SIGTERM or Ctrl-C: no new requests, the running ones finish (30 s at most); once more ends it at once.
With --json, stdout has one object a line: {"event":"loading","fraction":0.4}, then
{"event":"ready","baseUrl":"http://...","facts":{...}}; the facts are those of GET /quantlab/facts.`;

/** Requests that may wait beside the running ones; more than any of our experiments has at once. */
const defaultMaxQueue = 1000;

export function serveCommand(): Command {
  const command = new Command("serve").description(
    "The OpenAI-compatible server on the embedded engine, in one format.",
  );
  return addEngineFlags(command)
    .option("--host <address>", "to listen on", "127.0.0.1")
    .option("--port <n>", "0 picks a free one", port, 8000)
    .option("--api-key <key>", "ask clients for this bearer token", process.env.QUANTLAB_API_KEY)
    .option("--served-model-name <name>", "under which clients ask (default: the model's own)")
    .option("--max-queue <n>", "requests that may wait; more get 429", wholeNumber, defaultMaxQueue)
    .option("--json", "progress and the ready line as JSON lines on stdout", false)
    .option("--exit-with-parent", "end when standard input does: for a supervising process", false)
    .addHelpText("after", examples)
    .action(serve);
}

async function serve(flags: ServeFlags): Promise<void> {
  // Before the model: a taken port must not cost the time of loading.
  await requireAddress(flags.host, flags.port);
  const orphaned = flags.exitWithParent ? endsWithParent() : undefined;
  const progress = new Progress();
  const options = await startServing(flags, progress);
  const app = createApp(options);
  try {
    const baseUrl = await listen(app, flags.host, flags.port);
    announceReady(flags, progress, baseUrl, serverFacts(options));
    await waitForEnd({ host: options.host, orphaned, progress }, (limit) =>
      shutDown(app, options, limit),
    );
  } finally {
    await options.host.stop();
    orphaned?.release();
  }
}

/** Loads the model in the engine's thread; what the application is made of. */
async function startServing(flags: ServeFlags, progress: Progress): Promise<AppOptions> {
  const threads = flags.threads ?? defaultThreads();
  // One pool for the whole process: the engine's thread finds it sized.
  kernels.setThreads(threads);
  const model = resolveModel(flags.model);
  const codec = createModelCodec(loadTokenizer(model), loadChatTemplate(model));
  const host = await startEngine(
    engineOptionsOf(flags),
    flags.maxQueue,
    loadingReporter(flags, progress),
  );
  return {
    host,
    codec,
    modelName: flags.servedModelName ?? model.label,
    version: packageVersion(),
    threads,
    isa: kernels.cpu().isa,
    clock: systemClock,
    apiKey: flags.apiKey,
  };
}

/** A bar for people; for programs a line each time another percent is loaded. */
function loadingReporter(
  flags: ServeFlags,
  progress: Progress,
): (fraction: number, text: string) => void {
  progress.event(`loading ${flags.model}`);
  const startMs = systemClock.nowMs();
  let percent = -1;
  return (fraction, text) => {
    const elapsedMs = systemClock.nowMs() - startMs;
    const leftMs = fraction > 0 ? (elapsedMs / fraction) * (1 - fraction) : undefined;
    progress.bar({ fraction, leftMs, text });
    const now = Math.floor(fraction * 100);
    if (!flags.json || now === percent) return;
    percent = now;
    process.stdout.write(`${JSON.stringify({ event: "loading", fraction, text })}\n`);
  };
}

function announceReady(
  flags: ServeFlags,
  progress: Progress,
  baseUrl: string,
  facts: ServerFacts,
): void {
  for (const line of describeServer(facts)) progress.event(line);
  progress.event(`listening at ${baseUrl}`);
  if (flags.json) process.stdout.write(`${JSON.stringify({ event: "ready", baseUrl, facts })}\n`);
}

/** What a server is and holds, for people. */
function describeServer(facts: ServerFacts): string[] {
  const { weights, kvCache, memory } = facts;
  const cached = kvCache.blocks * kvCache.blockSize;
  return [
    `serving ${facts.model} in ${facts.format}${facts.kernel === undefined ? "" : ` (kernel ${facts.kernel})`}, loaded in ${formatDuration(facts.loadMs)}${facts.trained ? "" : " (random weights: its answers mean nothing)"}`,
    `  weights   ${formatBytes(weights.totalBytes)}, ${significant(weights.linearBitsPerWeight, 4)} bits per weight in the linears, output head in ${facts.lmHead}${weights.headBytes === 0 ? " (the embedding)" : `, ${formatBytes(weights.headBytes)}`}`,
    `  KV cache  ${formatBytes(kvCache.bytes)} for ${cached} tokens in ${kvCache.dtype}${kvCache.scales === undefined ? "" : ` (scales: ${kvCache.scales})`}, ${formatBytes(kvCache.bytesPerToken)} each`,
    `  limits    ${facts.maxModelLen} tokens a sequence, ${facts.maxNumSeqs} sequences a step`,
    `  threads   ${facts.threads}, ${facts.isa}`,
    `  memory    ${formatBytes(memory.peakResidentBytes)} resident at its peak so far`,
  ];
}
