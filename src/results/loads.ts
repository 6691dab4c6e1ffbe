/** The lengths and arrivals of a run's frozen requests, read back for predictions of its queues. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const requestSchema = z.looseObject({
  promptTokens: z.number().positive(),
  maxTokens: z.number().positive(),
  intendedMs: z.number().nonnegative(),
});
const fileSchema = z.looseObject({ requests: z.array(requestSchema) });

/** One request as it was drawn. */
export type PlannedRequest = Pick<
  z.infer<typeof requestSchema>,
  "promptTokens" | "maxTokens" | "intendedMs"
>;

/** Requests by "experiment/setting". */
export type Loads = Readonly<Record<string, readonly PlannedRequest[]>>;

/**
 * Those of serving settings whose file can be read; a report is made without the others.
 * @param ids of the run's frozen requests
 */
export async function readLoads(folder: string, ids: readonly string[]): Promise<Loads> {
  const loads: Record<string, readonly PlannedRequest[]> = {};
  for (const id of ids) {
    if (!id.startsWith("serving/")) continue;
    const path = join(folder, "requests", `${id.replaceAll("/", "-")}.json`);
    const text = await readFile(path, "utf8").catch(() => undefined);
    const parsed = fileSchema.safeParse(text === undefined ? undefined : jsonOf(text));
    if (!parsed.success) continue;
    loads[id] = parsed.data.requests.map(({ promptTokens, maxTokens, intendedMs }) => ({
      promptTokens,
      maxTokens,
      intendedMs,
    }));
  }
  return loads;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
