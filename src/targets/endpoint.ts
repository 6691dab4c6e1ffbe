/** Any OpenAI-compatible server that somebody else runs: nothing is started, nothing is guessed. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { getJson } from "../openai/client.ts";
import { toTargetFacts } from "./embedded.ts";
import { llamaServerFacts } from "./llama-server.ts";
import type { RunningTarget, Target, TargetFacts } from "./target.ts";

const modelSchema = z.looseObject({
  id: z.string(),
  /** The server's own name, in most of them: "vllm", "sglang", "llamacpp". */
  owned_by: z.string().optional(),
  max_model_len: z.number().nullish(),
});
type ServedModel = z.infer<typeof modelSchema>;

const modelsSchema = z.looseObject({ data: z.array(modelSchema).min(1) });
const versionSchema = z.looseObject({ version: z.string() });

/** A target that reaches the server at `baseUrl`; the format it serves is taken on trust. */
export function endpoint(baseUrl: string): Target {
  return {
    name: "endpoint",
    async start(request) {
      const parsed = modelsSchema.safeParse(await getJson(baseUrl, "/v1/models"));
      const models = parsed.data?.data ?? [];
      // A gateway with several models: a row's label picks its own.
      const model = models.find(({ id }) => id === request.label) ?? models[0];
      if (model === undefined) {
        throw new QuantlabError("target-failed", `${baseUrl}/v1/models lists no model`, {
          hint: "give --base-url of an OpenAI-compatible server that has loaded a model",
        });
      }
      requireLength(model, request.maxModelLen);
      return reached(baseUrl, model);
    },
  };
}

/** Where the server says how long a sequence may be, every request beyond would fail. */
function requireLength({ id, max_model_len: longest }: ServedModel, needed: number): void {
  if (longest === undefined || longest === null || longest >= needed) return;
  throw new QuantlabError(
    "target-failed",
    `${id} is served with at most ${longest} tokens, the experiments send up to ${needed}`,
    { hint: "shorten inputLen, outputLen or lengthScale, or start the server with a longer limit" },
  );
}

function reached(baseUrl: string, model: ServedModel): RunningTarget {
  return {
    baseUrl,
    modelName: model.id,
    pid: undefined,
    // Somebody else's process: that it is gone shows in the requests that fail.
    died: new Promise(() => {}),
    facts: () => readFacts(baseUrl, model),
    logTail: () => "",
    async stop() {},
  };
}

/** undefined when the server has no such page. */
async function ask(baseUrl: string, path: string): Promise<unknown> {
  return getJson(baseUrl, path).catch((error: unknown) => {
    if (error instanceof QuantlabError) return undefined;
    throw error;
  });
}

/** What a server says of itself, where it says anything; the rest is unknown. */
async function readFacts(baseUrl: string, model: ServedModel): Promise<TargetFacts> {
  const own = await ask(baseUrl, "/quantlab/facts");
  if (own !== undefined) return toTargetFacts(own);
  const llama = await llamaServerFacts(baseUrl);
  if (llama !== undefined) return llama;
  const version = versionSchema.safeParse(await ask(baseUrl, "/version")).data?.version;
  return {
    server: model.owned_by ?? "unknown",
    version,
    device: undefined,
    kernel: undefined,
    weightBytes: undefined,
    bitsPerWeight: undefined,
    kvCacheBytes: undefined,
    kvBytesPerToken: undefined,
    peakMemoryBytes: undefined,
    trained: undefined,
    raw: { model },
  };
}
