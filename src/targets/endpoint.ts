/** Any OpenAI-compatible server that somebody else runs: nothing is started, nothing is guessed. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { getJson } from "../openai/client.ts";
import { toTargetFacts } from "./embedded.ts";
import type { RunningTarget, Target, TargetFacts } from "./target.ts";

const modelsSchema = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })).min(1) });

/** A target that reaches the server at `baseUrl`; the format it serves is taken on trust. */
export function endpoint(baseUrl: string): Target {
  return {
    name: "endpoint",
    async start() {
      const parsed = modelsSchema.safeParse(await getJson(baseUrl, "/v1/models"));
      const modelName = parsed.data?.data[0]?.id;
      if (modelName === undefined) {
        throw new QuantlabError("target-failed", `${baseUrl}/v1/models lists no model`, {
          hint: "give --base-url of an OpenAI-compatible server that has loaded a model",
        });
      }
      return reached(baseUrl, modelName);
    },
  };
}

function reached(baseUrl: string, modelName: string): RunningTarget {
  return {
    baseUrl,
    modelName,
    pid: undefined,
    // Somebody else's process: that it is gone shows in the requests that fail.
    died: new Promise(() => {}),
    facts: () => readFacts(baseUrl),
    logTail: () => "",
    async stop() {},
  };
}

/** A `quantlab serve` elsewhere answers with its facts; of any other server nothing is known. */
async function readFacts(baseUrl: string): Promise<TargetFacts> {
  const raw = await getJson(baseUrl, "/quantlab/facts").catch((error: unknown) => {
    if (error instanceof QuantlabError) return undefined;
    throw error;
  });
  if (raw !== undefined) return toTargetFacts(raw);
  return {
    server: "unknown",
    version: undefined,
    device: undefined,
    kernel: undefined,
    weightBytes: undefined,
    bitsPerWeight: undefined,
    kvCacheBytes: undefined,
    kvBytesPerToken: undefined,
    peakMemoryBytes: undefined,
    trained: undefined,
    raw: {},
  };
}
