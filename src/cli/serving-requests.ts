/** The requests of `bench serving`: which prompts, when they are sent, and the files they come from or go to. */
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import type { RampSettings } from "../load/arrivals/arrival.ts";
import { arrivalOf } from "../load/arrivals/registry.ts";
import { drawRequests } from "../load/draw.ts";
import { readManifest, toVllmCustomJsonl, writeManifest } from "../load/manifest.ts";
import type { PromptSource } from "../load/prompts/prompt-source.ts";
import { promptKinds, promptSourceOf } from "../load/prompts/registry.ts";
import type { RequestManifest } from "../load/request.ts";
import { loadTokenizer } from "../text/load.ts";
import {
  positiveInteger,
  positiveNumber,
  positiveOrInfinite,
  share,
  wholeNumber,
} from "./option-values.ts";

export interface RequestFlags {
  readonly datasetName: string;
  readonly datasetPath?: string;
  readonly requests?: string;
  readonly saveRequests?: string;
  readonly exportVllm?: string;
  readonly numPrompts: number;
  readonly requestRate: number;
  readonly burstiness: number;
  readonly rampUpStrategy?: "linear" | "exponential";
  readonly rampUpStartRps?: number;
  readonly rampUpEndRps?: number;
  readonly traceUnit?: "ms" | "s";
  readonly traceSpeed?: number;
  readonly inputLen: number;
  readonly outputLen?: number;
  readonly rangeRatio: number;
  readonly lengthScale: number;
  readonly vocabSize?: number;
  readonly tokenizer?: string;
  readonly seed: number;
}

/** Adds the flags of RequestFlags, under the names of `vllm bench serve` where it has them. */
export function addRequestFlags(command: Command): Command {
  addArrivalFlags(command);
  const names = promptKinds.map((kind) => kind.name);
  return command
    .addOption(new Option("--dataset-name <name>", "prompts").choices(names).default("lengths"))
    .option("--dataset-path <file>", "file of sharegpt, custom or trace")
    .option("--requests <file>", "replay this request manifest instead of drawing one")
    .option("--save-requests <file>", "write the drawn requests as a manifest")
    .option("--export-vllm <file>", "write the prompts as vLLM's custom JSONL")
    .option("--num-prompts <n>", "requests", positiveInteger, 200)
    .option("--input-len <n>", "prompt tokens (random)", positiveInteger, 1024)
    .option("--output-len <n>", "answer tokens; overrides the data set's", positiveInteger)
    .option("--range-ratio <r>", "spread of random lengths, in [0, 1)", share, 0)
    .option("--length-scale <f>", "factor on the data set's lengths", positiveNumber, 1)
    .option("--vocab-size <n>", "draw token ids below n (random, lengths)", positiveInteger)
    .option("--tokenizer <model>", "counts prompt tokens: a checkpoint's folder or bundled")
    .option("--seed <n>", "of prompts and arrivals", wholeNumber, 0);
}

function addArrivalFlags(command: Command): Command {
  const strategies = new Option(
    "--ramp-up-strategy <name>",
    "a rate that changes over the requests",
  );
  return command
    .addOption(
      new Option("--request-rate <r>", "requests per second, or inf")
        .argParser(positiveOrInfinite)
        .default(Infinity, "inf"),
    )
    .option("--burstiness <b>", "1 Poisson, <1 clumped, inf constant", positiveOrInfinite, 1)
    .addOption(strategies.choices(["linear", "exponential"]))
    .option("--ramp-up-start-rps <r>", "requests per second at the first request", positiveNumber)
    .option("--ramp-up-end-rps <r>", "requests per second at the last", positiveNumber)
    .addOption(new Option("--trace-unit <u>", "of a trace's timestamps").choices(["ms", "s"]))
    .option("--trace-speed <x>", "2 replays a trace in half its time", positiveNumber);
}

/** The changing rate that the flags ask for. @throws usage when one of its three flags is missing */
export function rampOf(flags: RequestFlags): RampSettings | undefined {
  const { rampUpStrategy, rampUpStartRps, rampUpEndRps } = flags;
  const given = [rampUpStrategy, rampUpStartRps, rampUpEndRps];
  if (given.every((value) => value === undefined)) return undefined;
  if (rampUpStrategy === undefined || rampUpStartRps === undefined || rampUpEndRps === undefined) {
    throw new QuantlabError("usage", "a ramp needs its strategy, start and end", {
      hint: "give --ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 20",
    });
  }
  return { strategy: rampUpStrategy, startRps: rampUpStartRps, endRps: rampUpEndRps };
}

/** Draws the requests, or reads them; writes what the flags ask for. */
export async function chooseRequests(flags: RequestFlags): Promise<RequestManifest> {
  const manifest =
    flags.requests === undefined
      ? await draw(flags, flags.numPrompts, flags.seed)
      : await readManifest(flags.requests);
  if (flags.saveRequests !== undefined) await writeManifest(flags.saveRequests, manifest);
  if (flags.exportVllm !== undefined) {
    await writeFile(flags.exportVllm, toVllmCustomJsonl(manifest));
  }
  return manifest;
}

/** A trace brings its own times, unless a rate is given. */
function draw(flags: RequestFlags, count: number, seed: number): Promise<RequestManifest> {
  const prompts = promptsOf(flags);
  const ramp = rampOf(flags);
  const keepsTimes =
    prompts.arrivals !== undefined && ramp === undefined && !Number.isFinite(flags.requestRate);
  const arrivals = keepsTimes ? undefined : arrivalOf({ ...flags, ramp });
  return drawRequests({ prompts, arrivals, count, seed });
}

/** Other prompts of the same kind, all at once. */
export function drawWarmup(
  flags: RequestFlags,
  count: number,
  seed: number,
): Promise<RequestManifest> {
  const arrivals = arrivalOf({ requestRate: Number.POSITIVE_INFINITY, burstiness: 1 });
  return drawRequests({ prompts: promptsOf(flags), arrivals, count, seed });
}

function promptsOf(flags: RequestFlags): PromptSource {
  return promptSourceOf(flags.datasetName, {
    path: flags.datasetPath,
    inputLen: flags.inputLen,
    outputLen: flags.outputLen,
    rangeRatio: flags.rangeRatio,
    lengthScale: flags.lengthScale,
    vocabSize: flags.vocabSize,
    traceUnit: flags.traceUnit,
    traceSpeed: flags.traceSpeed,
    countTokens: flags.tokenizer === undefined ? undefined : counterOf(flags.tokenizer),
  });
}

/** Special tokens count, as in vLLM's sampling. @throws tokenizer-invalid, file-not-found */
function counterOf(model: string): (text: string) => number {
  const tokenizer = loadTokenizer(resolveModel(model));
  return (text) => tokenizer.encode(text).length;
}
