/** A recorded trace: lengths and times of real requests, replayed with prompts of drawn ids. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import type { PromptKind, PromptSettings } from "./prompt-source.ts";
import { drawTokenIds } from "./token-ids.ts";

/** JSONL as the Mooncake traces and vLLM's timed_trace have it. */
const lineSchema = z.looseObject({
  timestamp: z.number().nonnegative(),
  input_length: z.number().int().positive(),
  output_length: z.number().int().nonnegative(),
});

interface TracedRequest {
  /** In the trace's own unit. */
  readonly timestamp: number;
  readonly inputLength: number;
  readonly outputLength: number;
}

/** As for `random`: inside nearly every vocabulary. */
const defaultVocabSize = 10_000;

export const trace = {
  name: "trace",
  title: "times and lengths of a recorded trace: JSONL, or BurstGPT's CSV (--dataset-path)",
  create: (settings) => {
    const { path, vocabSize = defaultVocabSize, lengthScale, outputLen } = settings;
    if (path === undefined) {
      throw new QuantlabError("usage", "the trace data set needs its file", {
        hint: 'give --dataset-path trace.jsonl, one {"timestamp": ms, "input_length": n, "output_length": n} a line',
      });
    }
    const speed = settings.traceSpeed ?? 1;
    const fast = speed === 1 ? "" : ` at ${speed} times its speed`;
    return {
      name: "trace",
      description: `recorded lengths, ids below ${vocabSize}`,
      arrivals: `times of the trace${fast}`,
      draw: async (count, random) => {
        const rows = await readTrace(path, count);
        const toMs = unitOf(settings, path) / speed;
        const scale = (length: number) => Math.max(1, Math.round(length * lengthScale));
        const startsAt = rows[0]?.timestamp ?? 0;
        return rows.map(({ timestamp, inputLength, outputLength }, index) => ({
          prompt: drawTokenIds(scale(inputLength), vocabSize, index, random),
          promptTokens: scale(inputLength),
          maxTokens: outputLen ?? scale(outputLength),
          intendedMs: (timestamp - startsAt) * toMs,
        }));
      },
    };
  },
} as const satisfies PromptKind;

/** Milliseconds of the trace's unit: BurstGPT has seconds, the JSONL traces milliseconds. */
function unitOf({ traceUnit }: PromptSettings, path: string): number {
  return (traceUnit ?? (path.endsWith(".csv") ? "s" : "ms")) === "s" ? 1e3 : 1;
}

/** The first `count` requests that had an answer, in order of time. */
async function readTrace(path: string, count: number): Promise<TracedRequest[]> {
  const rows: TracedRequest[] = [];
  const parse = path.endsWith(".csv") ? csvParser(path) : parseJsonLine;
  const lines = createInterface({ input: createReadStream(path) });
  let number = 0;
  try {
    for await (const line of lines) {
      number++;
      const row = line.trim() === "" ? undefined : parse(line, `${path}, line ${number}`);
      if (row !== undefined) rows.push(row);
    }
  } catch (cause) {
    if (cause instanceof QuantlabError) throw cause;
    throw new QuantlabError("file-not-found", `${path} cannot be read`, { cause });
  } finally {
    lines.close();
  }
  if (rows.length < count) {
    throw new QuantlabError(
      "dataset-invalid",
      `${path} has ${rows.length} usable requests, ${count} were asked for`,
      { hint: `give --num-prompts ${rows.length}` },
    );
  }
  return rows.toSorted((a, b) => a.timestamp - b.timestamp).slice(0, count);
}

function parseJsonLine(line: string, where: string): TracedRequest | undefined {
  let parsed: z.infer<typeof lineSchema>;
  try {
    parsed = lineSchema.parse(JSON.parse(line));
  } catch (cause) {
    const expected = '{"timestamp": ms, "input_length": n, "output_length": n}';
    throw new QuantlabError("dataset-invalid", `${where} is not ${expected}`, { cause });
  }
  const { timestamp, input_length, output_length } = parsed;
  if (output_length === 0) return undefined;
  return { timestamp, inputLength: input_length, outputLength: output_length };
}

/** By the header's names; rows of GPT-4 with an answer are kept, as vLLM keeps them. */
function csvParser(path: string) {
  let columns: ReadonlyMap<string, number> | undefined;
  return (line: string, where: string): TracedRequest | undefined => {
    const cells = line.split(",").map((cell) => cell.trim());
    if (columns === undefined) {
      columns = new Map(cells.map((name, index) => [name, index]));
      const missing = ["Timestamp", "Request tokens", "Response tokens"].filter(
        (name) => columns?.has(name) !== true,
      );
      if (missing.length === 0) return undefined;
      throw new QuantlabError("dataset-invalid", `${path} has no column ${missing.join(", ")}`, {
        hint: "BurstGPT's columns are Timestamp, Model, Request tokens, Response tokens",
      });
    }
    const at = (name: string) => cells[columns?.get(name) ?? -1];
    const [timestamp, inputLength, outputLength] = [
      at("Timestamp"),
      at("Request tokens"),
      at("Response tokens"),
    ].map(Number);
    if (timestamp === undefined || inputLength === undefined || !(Number(outputLength) >= 0)) {
      throw new QuantlabError("dataset-invalid", `${where} is not a row of numbers`);
    }
    const isKept = (at("Model") ?? "GPT-4") === "GPT-4" && inputLength > 0;
    return isKept && outputLength ? { timestamp, inputLength, outputLength } : undefined;
  };
}
