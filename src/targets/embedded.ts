/** The embedded target: `quantlab serve` as a child process on a free loopback port. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { getJson } from "../openai/client.ts";
import { ServerProcess } from "./server-process.ts";
import type { RunningTarget, Target, TargetFacts, TargetRequest } from "./target.ts";

const readySchema = z.looseObject({
  event: z.literal("ready"),
  baseUrl: z.url(),
  facts: z.looseObject({ model: z.string(), pid: z.number() }),
});
type Ready = z.infer<typeof readySchema>;

const loadingSchema = z.looseObject({ event: z.literal("loading") });

/** What of openai/facts.ts this target reads; the rest is kept whole in `raw`. */
const factsSchema = z.looseObject({
  version: z.string(),
  isa: z.string(),
  kernel: z.string().optional(),
  threads: z.number(),
  trained: z.boolean(),
  lmHead: z.string().optional(),
  weights: z.looseObject({ totalBytes: z.number(), linearBitsPerWeight: z.number() }),
  kvCache: z.looseObject({
    bytes: z.number(),
    bytesPerToken: z.number(),
    dtype: z.string().optional(),
  }),
  memory: z.looseObject({ peakResidentBytes: z.number() }),
});

export const embedded: Target = {
  name: "embedded",
  async start(request, onProgress, signal) {
    let onReady: (ready: Ready) => void = () => {};
    const ready = new Promise<Ready>((resolve) => {
      onReady = resolve;
    });
    const server = new ServerProcess(serveArguments(request), (line) => {
      const value = parseLine(line);
      const found = readySchema.safeParse(value);
      if (found.success) onReady(found.data);
      else if (loadingSchema.safeParse(value).success) onProgress(describeLoading(value));
    });
    try {
      const { baseUrl, facts } = await firstOf(ready, server, signal);
      return running(server, baseUrl, facts.model);
    } catch (error) {
      await server.stop();
      throw error;
    }
  },
};

function serveArguments(request: TargetRequest): string[] {
  const { threads, kvCacheDtype, kernel, lmHead } = request;
  return [
    ...["serve", "--model", request.model, "--format", request.format],
    ...["--host", "127.0.0.1", "--port", "0", "--seed", String(request.seed)],
    ...["--max-model-len", String(request.maxModelLen)],
    ...["--max-num-seqs", String(request.maxNumSeqs)],
    ...(kvCacheDtype === undefined ? [] : ["--kv-cache-dtype", kvCacheDtype]),
    ...(kernel === undefined ? [] : ["--kernel", kernel]),
    ...(lmHead === undefined ? [] : ["--lm-head", lmHead]),
    ...(threads === undefined ? [] : ["--threads", String(threads)]),
    ...["--json", "--exit-with-parent"],
  ];
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function describeLoading(value: unknown): string {
  const parsed = z.looseObject({ fraction: z.number() }).safeParse(value);
  return parsed.success ? `loading ${Math.round(parsed.data.fraction * 100)} %` : "loading";
}

/** The ready line, unless the server goes or the user interrupts first. */
async function firstOf(
  ready: Promise<Ready>,
  server: ServerProcess,
  signal: AbortSignal,
): Promise<Ready> {
  let interrupt = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = () =>
      reject(new QuantlabError("interrupted", "interrupted while a server started"));
  });
  signal.addEventListener("abort", interrupt, { once: true });
  if (signal.aborted) interrupt();
  const died = server.died.then((how) => {
    throw new QuantlabError("target-failed", `the server ${how} before it was ready`, {
      hint: lastWords(server.logTail()),
    });
  });
  died.catch(() => {});
  try {
    return await Promise.race([ready, died, interrupted]);
  } finally {
    signal.removeEventListener("abort", interrupt);
  }
}

function lastWords(tail: string): string {
  return tail === "" ? "it wrote nothing to its log" : `its last words:\n${tail}`;
}

function running(server: ServerProcess, baseUrl: string, modelName: string): RunningTarget {
  return {
    baseUrl,
    modelName,
    pid: server.pid,
    died: server.died.then((how) => `the server ${how}`),
    facts: async () => toTargetFacts(await getJson(baseUrl, "/quantlab/facts")),
    logTail: () => server.logTail(),
    stop: () => server.stop(),
  };
}

/** @throws target-failed when the answer is not what `quantlab serve` says of itself */
export function toTargetFacts(raw: unknown): TargetFacts {
  const parsed = factsSchema.safeParse(raw);
  if (!parsed.success) {
    throw new QuantlabError(
      "target-failed",
      `the server's facts are not understood: ${z.prettifyError(parsed.error)}`,
      { hint: "server and lab must be of the same version of quantlab" },
    );
  }
  const facts = parsed.data;
  return {
    server: "quantlab",
    version: facts.version,
    device: "cpu",
    kernel: [
      ...(facts.kernel === undefined ? [] : [`${facts.kernel} (the whole matrix to BF16 first)`]),
      `${facts.isa}, ${facts.threads} threads`,
    ].join(", "),
    weightBytes: facts.weights.totalBytes,
    bitsPerWeight: facts.weights.linearBitsPerWeight,
    kvCacheBytes: facts.kvCache.bytes,
    kvBytesPerToken: facts.kvCache.bytesPerToken,
    lmHead: facts.lmHead,
    kvCacheDtype: facts.kvCache.dtype,
    peakMemoryBytes: facts.memory.peakResidentBytes,
    trained: facts.trained,
    raw: facts,
  };
}
