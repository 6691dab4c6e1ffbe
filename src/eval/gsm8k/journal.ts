/** Responses on disk as they come, so that an interrupted evaluation goes on with the next question. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import { JsonLinesWriter, readJsonLines } from "../../base/json-lines.ts";
import type { EvalResponse } from "./evaluate.ts";

/** What a response depends on beside its prompt; a journal of other settings is not taken up. */
export interface JournalSettings {
  readonly model: string;
  readonly format: string | undefined;
  readonly maxGenToks: number;
}

const settingsSchema = z.object({
  model: z.string(),
  format: z.string().optional(),
  maxGenToks: z.number(),
});

const responseSchema = z.object({
  docId: z.number().int().nonnegative(),
  promptHash: z.string(),
  text: z.string(),
  finishReason: z.string().optional(),
  promptTokens: z.number().optional(),
  completionTokens: z.number().optional(),
  ms: z.number(),
});

export interface Journal {
  readonly known: readonly EvalResponse[];
  append(response: EvalResponse): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a journal to append to.
 * @param resume whether responses that are there are kept; otherwise the file begins anew
 * @throws run-invalid when it was written under other settings or is not a journal
 */
export async function openJournal(
  path: string,
  settings: JournalSettings,
  resume: boolean,
): Promise<Journal> {
  const known = resume && existsSync(path) ? await readJournal(path, settings) : [];
  // Written again from the start: the last line of a crash may have been cut.
  const writer = await JsonLinesWriter.open(path, "w");
  await writer.append(settings);
  for (const response of known) await writer.append(response);
  return {
    known,
    append: (response) => writer.append(response),
    close: () => writer.close(),
  };
}

async function readJournal(path: string, settings: JournalSettings): Promise<EvalResponse[]> {
  const responses: EvalResponse[] = [];
  let isFirst = true;
  for await (const value of readJsonLines(path)) {
    if (isFirst) requireSame(path, value, settings);
    else responses.push(parseResponse(path, value));
    isFirst = false;
  }
  return responses;
}

function requireSame(path: string, value: unknown, settings: JournalSettings): void {
  const found = settingsSchema.safeParse(value);
  const describe = ({ model, format, maxGenToks }: JournalSettings) =>
    `${model}, ${format ?? "format unknown"}, ${maxGenToks} tokens at most`;
  const wanted = describe(settings);
  const before = found.success
    ? describe({ ...found.data, format: found.data.format })
    : "no settings";
  if (before === wanted) return;
  throw new QuantlabError("run-invalid", `${path} holds responses of ${before}, not of ${wanted}`, {
    hint: "leave --resume out to begin anew, or give another --output-path",
  });
}

function parseResponse(path: string, value: unknown): EvalResponse {
  const parsed = responseSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new QuantlabError("run-invalid", `${path}: ${z.prettifyError(parsed.error)}`, {
    hint: "leave --resume out to begin anew",
  });
}
