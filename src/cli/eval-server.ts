/** Which servers an evaluation asks: one that runs already, or one of ours started for each format in turn. */
import { type Command, Option } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { formatByName, formats } from "../formats/registry.ts";
import { embedded } from "../targets/embedded.ts";
import { endpoint } from "../targets/endpoint.ts";
import type { RunningTarget, TargetRequest } from "../targets/target.ts";
import { positiveInteger } from "./option-values.ts";

/** Flags that say what is evaluated. */
export interface EvalServerFlags {
  readonly baseUrl?: string;
  readonly apiKey?: string;
  readonly model?: string;
  readonly formats?: readonly string[];
  readonly threads?: number;
  readonly maxModelLen?: number;
  readonly numConcurrent: number;
}

/** One row of the result. */
export interface EvalRow {
  readonly label: string;
  /** undefined where only the server knows. */
  readonly format: string | undefined;
  start(onProgress: (text: string) => void, signal: AbortSignal): Promise<RunningTarget>;
}

const defaultModel = "bundled";
/** Contexts beyond this cost cache that no prompt of ours fills. */
const longestContext = 4096;

export const commaSeparated = (text: string) => text.split(",").map((word) => word.trim());

/** Adds the flags of EvalServerFlags. */
export function addEvalServerFlags(command: Command): Command {
  const names = formats.map((format) => format.name).join(",");
  return command
    .addOption(
      new Option(
        "--base-url <url>",
        "an OpenAI-compatible server; without it one of ours is started for each format",
      ),
    )
    .option("--api-key <key>", "sent as a bearer token", process.env.OPENAI_API_KEY)
    .option(
      "--model <model>",
      `bundled, dummy:SHAPE or a folder; with --base-url the name to ask for (default: ${defaultModel})`,
    )
    .option(
      "--formats <list>",
      `of ${names}; the others are held against the first`,
      commaSeparated,
    )
    .option("--threads <n>", "threads of our server (default: all cores)", positiveInteger)
    .option("--max-model-len <n>", "prompt and answer tokens together", positiveInteger)
    .option("--num-concurrent <n>", "questions in flight", positiveInteger, 16);
}

/** @throws usage on flags that contradict each other, and what resolveModel throws */
export function evalRows(flags: EvalServerFlags): EvalRow[] {
  return flags.baseUrl === undefined ? embeddedRows(flags) : [endpointRow(flags, flags.baseUrl)];
}

function endpointRow(flags: EvalServerFlags, baseUrl: string): EvalRow {
  if (flags.formats !== undefined) {
    throw new QuantlabError("usage", "--formats and --base-url cannot be given together", {
      hint: "a running server has its format already; leave --formats out",
    });
  }
  return {
    label: flags.model ?? "server",
    format: undefined,
    async start(onProgress, signal) {
      const request = { ...baseRequest(flags), model: "", format: "" };
      const server = await endpoint(baseUrl).start(request, onProgress, signal);
      return { ...server, modelName: flags.model ?? server.modelName };
    },
  };
}

function embeddedRows(flags: EvalServerFlags): EvalRow[] {
  const model = flags.model ?? defaultModel;
  const { maxPositions } = resolveModel(model).config;
  const maxModelLen = flags.maxModelLen ?? Math.min(maxPositions, longestContext);
  return (flags.formats ?? ["bf16"]).map((name) => {
    const format = formatByName(name).name;
    return {
      label: format,
      format,
      start: (onProgress, signal) =>
        embedded.start({ ...baseRequest(flags), maxModelLen, model, format }, onProgress, signal),
    };
  });
}

function baseRequest(flags: EvalServerFlags): Omit<TargetRequest, "model" | "format"> {
  return {
    maxModelLen: flags.maxModelLen ?? longestContext,
    maxNumSeqs: flags.numConcurrent,
    threads: flags.threads,
    seed: 0,
  };
}
