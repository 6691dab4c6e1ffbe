/** llama.cpp's server, as it describes itself at /props and counts at /metrics. */
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { endpointUrl, getJson } from "../openai/client.ts";
import type { TargetFacts } from "./target.ts";

const propsSchema = z.looseObject({
  model_path: z.string().optional(),
  build_info: z.string().optional(),
  total_slots: z.number().optional(),
  default_generation_settings: z.looseObject({ n_ctx: z.number().optional() }).optional(),
});

const metricsTimeoutMs = 5_000;

/** undefined when the server at `baseUrl` does not answer as llama-server. */
export async function llamaServerFacts(baseUrl: string): Promise<TargetFacts | undefined> {
  const answer = await getJson(baseUrl, "/props").catch((error: unknown) => {
    if (error instanceof QuantlabError) return undefined;
    throw error;
  });
  const props = propsSchema.safeParse(answer).data;
  if (props?.build_info === undefined && props?.default_generation_settings === undefined) {
    return undefined;
  }
  const metrics = await readMetrics(baseUrl);
  return {
    server: "llama-server",
    version: props.build_info,
    device: undefined,
    kernel: undefined,
    weightBytes: undefined,
    bitsPerWeight: undefined,
    kvCacheBytes: undefined,
    kvBytesPerToken: undefined,
    peakMemoryBytes: undefined,
    trained: undefined,
    raw: {
      modelPath: props.model_path,
      // Formats here are GGUF's own: they compare by bits per weight, not by name.
      ggufFormat: ggufFormat(props.model_path),
      slots: props.total_slots,
      contextPerSlot: props.default_generation_settings?.n_ctx,
      ...(metrics === undefined
        ? { metricsNote: "start llama-server with --metrics to have its own counts" }
        : { metrics }),
    },
  };
}

/** "Q4_K_M" of ".../Llama-3.1-8B-Instruct-Q4_K_M.gguf"; undefined when the name does not say. */
export function ggufFormat(path: string | undefined): string | undefined {
  return /[-.]((?:I?Q\d\w*|BF16|F16|F32|MXFP4\w*))\.gguf$/i.exec(path ?? "")?.[1];
}

const line = /^llamacpp:(\w+)(?:\{[^}]*\})? ([\d.eE+-]+|nan)$/i;

/** Its counters and gauges by name; undefined where the server was started without them. */
async function readMetrics(baseUrl: string): Promise<Record<string, number> | undefined> {
  try {
    const answer = await fetch(endpointUrl(baseUrl, "/metrics"), {
      signal: AbortSignal.timeout(metricsTimeoutMs),
    });
    if (!answer.ok) return undefined;
    return parseLlamaMetrics(await answer.text());
  } catch {
    return undefined;
  }
}

export function parseLlamaMetrics(text: string): Record<string, number> {
  const found = text.split("\n").flatMap((row): [string, number][] => {
    const [, name, value] = line.exec(row.trim()) ?? [];
    const number = Number(value);
    return name === undefined || !Number.isFinite(number) ? [] : [[name, number]];
  });
  return Object.fromEntries(found);
}
