/** The flags of an embedded engine, shared by the commands that load a model themselves. */
import { type Command, Option } from "commander";
import { parseBytes } from "../base/units.ts";
import {
  type KvCacheChoice,
  kvCacheChoices,
  kvCacheDtypeOf,
} from "../checkpoint/kv-cache-dtype.ts";
import { type EngineOptions, engineDefaults } from "../engine/load-engine.ts";
import { headFormats } from "../formats/head.ts";
import { formats } from "../formats/registry.ts";
import { positiveInteger, wholeNumber } from "./option-values.ts";

export interface EngineFlags {
  readonly model: string;
  readonly format?: string;
  readonly kernel?: string;
  readonly maxModelLen?: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens?: number;
  readonly kvCacheMemory?: number;
  readonly lmHead?: string;
  readonly kvCacheDtype?: KvCacheChoice;
  readonly enablePrefixCaching?: boolean;
  readonly threads?: number;
  readonly seed: number;
}

/** Adds the flags of EngineFlags; names and defaults as in vLLM where it has them. */
export function addEngineFlags(command: Command): Command {
  const names = formats.map((format) => format.name).join(", ");
  const { model, maxNumSeqs, maxNumBatchedTokens, seed } = engineDefaults;
  return command
    .option("--model <model>", "dummy:SHAPE, bundled, or a checkpoint's folder", model)
    .option("--format <name>", `one of ${names} (default: the checkpoint's own)`)
    .addOption(kernelOption())
    .option("--max-model-len <n>", "prompt and answer tokens together", positiveInteger)
    .option("--max-num-seqs <n>", "sequences in one step", positiveInteger, maxNumSeqs)
    .option(
      "--max-num-batched-tokens <n>",
      `tokens in one step (default: ${maxNumBatchedTokens}, or --max-num-seqs if that is more)`,
      positiveInteger,
    )
    .addOption(lmHeadOption())
    .addOption(kvCacheDtypeOption())
    .option("--kv-cache-memory <size>", 'for example "2GB" (default: what fits)', parseBytes)
    .option(
      "--enable-prefix-caching",
      "equal beginnings of prompts are run once; off in measurements",
    )
    .option("--threads <n>", "threads of the kernels (default: all cores)", positiveInteger)
    .option("--seed <n>", "of dummy weights and of sampling", wholeNumber, seed);
}

/** The flag of every command that multiplies by weights of ours. */
export function kernelOption(): Option {
  return new Option(
    "--kernel <name>",
    "a second kernel of the format; plain (awq) dequantizes the whole matrix first, as old kernels did",
  );
}

/** The flag of every command that loads a model of ours. */
export function lmHeadOption(): Option {
  return new Option(
    "--lm-head <format>",
    "of the output head alone; embeddings stay bf16 (default: bf16, as other engines keep it)",
  ).choices(headFormats);
}

/** The flag of every command that has a KV cache of ours. */
export function kvCacheDtypeOption(): Option {
  return new Option(
    "--kv-cache-dtype <type>",
    "auto is bf16; fp8 holds twice the tokens, with the checkpoint's scales if it has some",
  ).choices(kvCacheChoices);
}

export function engineOptionsOf(flags: EngineFlags): EngineOptions {
  return {
    model: flags.model,
    format: flags.format,
    kernel: flags.kernel,
    maxModelLen: flags.maxModelLen,
    maxNumSeqs: flags.maxNumSeqs,
    // Each running sequence takes one token of a step.
    maxNumBatchedTokens:
      flags.maxNumBatchedTokens ?? Math.max(engineDefaults.maxNumBatchedTokens, flags.maxNumSeqs),
    lmHead: flags.lmHead,
    kvCacheDtype: kvCacheDtypeOf(flags.kvCacheDtype),
    kvCacheBytes: flags.kvCacheMemory,
    blockSize: engineDefaults.blockSize,
    prefixCaching: flags.enablePrefixCaching,
    seed: flags.seed,
  };
}
