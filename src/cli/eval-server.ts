/** Which servers an evaluation asks: one that runs already, or one of ours started for each format in turn. */
import type { Command } from "commander";
import { QuantlabError } from "../base/errors.ts";
import type { KvCacheChoice } from "../checkpoint/kv-cache-dtype.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { embedded } from "../targets/embedded.ts";
import { endpoint } from "../targets/endpoint.ts";
import type { RunningTarget, TargetRequest } from "../targets/target.ts";
import { kvCacheDtypeOption, lmHeadOption } from "./engine-options.ts";
import { addRowFlags, defaultEvalModel, modelRows, type RowFlags } from "./eval-rows.ts";
import { positiveInteger } from "./option-values.ts";

/** Flags that say what is evaluated. */
export interface EvalServerFlags extends RowFlags {
  readonly baseUrl?: string;
  readonly apiKey?: string;
  readonly modelName?: string;
  readonly lmHead?: string;
  readonly kvCacheDtype?: KvCacheChoice;
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

/** Contexts beyond this cost cache that no prompt of ours fills. */
const longestContext = 4096;

/** Adds the flags of EvalServerFlags. */
export function addEvalServerFlags(command: Command): Command {
  return addRowFlags(
    command
      .option(
        "--base-url <url>",
        "an OpenAI-compatible server; without it one of ours is started for each row",
      )
      .option("--model-name <name>", "to ask --base-url for (default: the first that it lists)")
      .option("--api-key <key>", "sent as a bearer token", process.env.OPENAI_API_KEY),
  )
    .addOption(lmHeadOption())
    .addOption(kvCacheDtypeOption())
    .option("--threads <n>", "threads of our server (default: all cores)", positiveInteger)
    .option("--max-model-len <n>", "prompt and answer tokens together", positiveInteger)
    .option("--num-concurrent <n>", "questions in flight", positiveInteger, 16);
}

/** @throws usage on flags that contradict each other, and what resolveModel throws */
export function evalRows(flags: EvalServerFlags): EvalRow[] {
  return flags.baseUrl === undefined ? embeddedRows(flags) : [endpointRow(flags, flags.baseUrl)];
}

function endpointRow(flags: EvalServerFlags, baseUrl: string): EvalRow {
  const { model, formats, checkpoints, kvCacheDtype, kernel, lmHead } = flags;
  const other = [model, formats, checkpoints, kvCacheDtype, kernel, lmHead].some(
    (flag) => flag !== undefined,
  );
  if (other) {
    throw new QuantlabError(
      "usage",
      "--base-url cannot be given with --model, --formats, --checkpoints, --kernel, --lm-head or --kv-cache-dtype",
      { hint: "a running server has its model already; --model-name chooses among several" },
    );
  }
  return {
    label: flags.modelName ?? "server",
    format: undefined,
    async start(onProgress, signal) {
      const request = { ...baseRequest(flags), model: "", format: "" };
      const server = await endpoint(baseUrl).start(request, onProgress, signal);
      return { ...server, modelName: flags.modelName ?? server.modelName };
    },
  };
}

function embeddedRows(flags: EvalServerFlags): EvalRow[] {
  const { maxPositions } = resolveModel(flags.model ?? defaultEvalModel).config;
  const maxModelLen = flags.maxModelLen ?? Math.min(maxPositions, longestContext);
  return modelRows(flags, ["bf16"]).map(({ label, model, format, kernel }) => ({
    label,
    format,
    start: (onProgress, signal) =>
      embedded.start(
        { ...baseRequest(flags), maxModelLen, model, format, kernel },
        onProgress,
        signal,
      ),
  }));
}

function baseRequest(flags: EvalServerFlags): Omit<TargetRequest, "model" | "format"> {
  return {
    maxModelLen: flags.maxModelLen ?? longestContext,
    maxNumSeqs: flags.numConcurrent,
    lmHead: flags.lmHead,
    kvCacheDtype: flags.kvCacheDtype,
    threads: flags.threads,
    seed: 0,
  };
}
