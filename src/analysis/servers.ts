/** What served each row: version, device, the kernel that was really taken, memory; unknown stays unknown. */
import { z } from "zod";
import type { Run } from "../results/run.ts";
import { rowsOf } from "./cells.ts";
import type { Table } from "./finding.ts";

const text = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);

/** Every field may be missing, and a foreign one is no fact. */
const factsSchema = z.looseObject({
  server: text,
  version: text,
  device: text,
  kernel: text,
  kvCacheDtype: text,
  raw: z
    .looseObject({
      capability: text,
      kernelNote: text,
      weightSource: text,
      kvCacheTokens: number,
      maxConcurrency: number,
      cudaGraphs: text,
    })
    .optional()
    .catch(undefined),
});

function factsOf(run: Run, label: string): z.infer<typeof factsSchema> | undefined {
  const cells = run.results.filter(({ quantlab }) => quantlab.key.format === label);
  const told = cells.findLast(({ quantlab }) => quantlab.facts?.server !== undefined);
  return factsSchema.safeParse(told?.quantlab.facts).data;
}

/** What a row's server kept keys and values in, where it says so. */
export function kvCacheDtypeOf(run: Run, label: string): string | undefined {
  return factsOf(run, label)?.kvCacheDtype;
}

/** undefined when no cell of the run says anything of its server. */
export function serversTable(run: Run): Table | undefined {
  const rows = rowsOf(run).flatMap((label) => {
    const facts = factsOf(run, label);
    if (facts === undefined) return [];
    const { raw } = facts;
    const capability = raw?.capability === undefined ? "" : `, capability ${raw.capability}`;
    return [
      {
        row: label,
        server: [facts.server, facts.version].filter(Boolean).join(" "),
        device: facts.device === undefined ? undefined : `${facts.device}${capability}`,
        kernel: [facts.kernel, raw?.kernelNote].filter(Boolean).join("; ") || undefined,
        weights: raw?.weightSource,
        cache: facts.kvCacheDtype,
        tokens: raw?.kvCacheTokens?.toLocaleString("en"),
        concurrency: raw?.maxConcurrency?.toLocaleString("en"),
        graphs: raw?.cudaGraphs,
      },
    ];
  });
  if (rows.length === 0) return undefined;
  const columns = [
    { id: "row", title: "format", unit: "" },
    { id: "server", title: "server", unit: "" },
    { id: "device", title: "device", unit: "" },
    { id: "kernel", title: "kernel chosen", unit: "" },
    { id: "weights", title: "weights known from", unit: "" },
    { id: "cache", title: "KV cache in", unit: "" },
    { id: "tokens", title: "KV cache", unit: "tokens" },
    { id: "concurrency", title: "longest sequences at once", unit: "" },
    { id: "graphs", title: "CUDA graphs", unit: "" },
  ];
  const isSaid = (id: string) =>
    rows.some((row) =>
      Object.entries(row).some(([key, value]) => key === id && value !== undefined),
    );
  return {
    title: "What served each format",
    columns: columns.filter(({ id }) => isSaid(id)),
    rows,
  };
}
