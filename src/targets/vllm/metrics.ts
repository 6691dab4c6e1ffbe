/** vLLM's own counters at /metrics, by lists of alternative names: they were renamed between versions. */

export interface VllmMetrics {
  /** Sequences thrown out of the KV cache and computed again, since the start of the server. */
  readonly preemptions: number | undefined;
  /** Share of looked-up tokens found; must be 0 with the cache off. */
  readonly prefixCacheHitRate: number | undefined;
  /** 0 to 1, now. */
  readonly kvCacheUsage: number | undefined;
}

const names = {
  preemptions: ["vllm:num_preemptions_total", "vllm:num_preemptions"],
  queries: ["vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"],
  hits: ["vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"],
  usage: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
} as const;

const timeoutMs = 5_000;

export function parseVllmMetrics(text: string): VllmMetrics {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^(vllm:\w+)(?:\{.*\})? (\S+)$/.exec(line.trim()) ?? [];
    const number = Number(value);
    if (name === undefined || !Number.isFinite(number)) continue;
    // One row per engine: they add up.
    sums.set(name, (sums.get(name) ?? 0) + number);
  }
  const read = (list: readonly string[]) =>
    list.map((name) => sums.get(name)).find((value) => value !== undefined);
  const [queries, hits] = [read(names.queries), read(names.hits)];
  const hasBoth = queries !== undefined && hits !== undefined;
  return {
    preemptions: read(names.preemptions),
    prefixCacheHitRate: hasBoth ? (queries === 0 ? 0 : hits / queries) : undefined,
    kvCacheUsage: read(names.usage),
  };
}

/** undefined where the server has no such page. */
export async function readVllmMetrics(baseUrl: string): Promise<VllmMetrics | undefined> {
  try {
    const answer = await fetch(`${baseUrl}/metrics`, { signal: AbortSignal.timeout(timeoutMs) });
    return answer.ok ? parseVllmMetrics(await answer.text()) : undefined;
  } catch {
    return undefined;
  }
}
