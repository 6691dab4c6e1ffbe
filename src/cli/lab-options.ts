/** The flags that run, plan and doctor share, and how they become a configuration. */
import { type Command, Option } from "commander";
import type { KvCacheChoice } from "../checkpoint/kv-cache-dtype.ts";
import { applyOverrides, type LabOverrides } from "../experiments/complete.ts";
import { readLabFile } from "../experiments/lab-file.ts";
import { type LabDraft, profileByName, profiles } from "../experiments/profiles.ts";
import { formats } from "../formats/registry.ts";
import { targets } from "../targets/registry.ts";
import { kvCacheDtypeOption, lmHeadOption } from "./engine-options.ts";
import { positiveInteger, wholeNumber } from "./option-values.ts";
import { defaultThreads, threadsBesideLoad } from "./threads.ts";

export interface LabOptions {
  readonly profile?: string;
  readonly model?: string;
  readonly formats?: readonly string[];
  readonly target?: string;
  readonly baseUrl?: string;
  readonly vllmCommand?: string;
  readonly tensorParallelSize?: number;
  readonly lmHead?: string;
  readonly kvCacheDtype?: KvCacheChoice;
  readonly threads?: number;
  readonly seed?: number;
  readonly repeats?: number;
  readonly out: string;
}

const commaSeparated = (text: string) => text.split(",").map((word) => word.trim());
const namesOf = (list: readonly { name: string }[]) => list.map((item) => item.name);

export function addLabFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--profile <name>", "how much to measure (default: quick, or the file's)").choices(
        namesOf(profiles),
      ),
    )
    .option("--model <model>", "dummy:SHAPE, bundled, or a checkpoint's folder")
    .option("--formats <list>", `of ${namesOf(formats).join(",")}`, commaSeparated)
    .addOption(new Option("--target <name>", "what serves the model").choices(namesOf(targets)))
    .option("--base-url <url>", "of the server, for --target endpoint")
    .option("--vllm-command <program>", "the vllm to start, for --target vllm (default: vllm)")
    .option("--tensor-parallel-size <n>", "GPUs that share each layer, for vllm", positiveInteger)
    .addOption(lmHeadOption())
    .addOption(kvCacheDtypeOption())
    .option(
      "--threads <n>",
      "threads of the embedded server (default: all cores; of more than two, one fewer)",
      positiveInteger,
    )
    .option("--repeats <n>", "times that every cell is measured", positiveInteger)
    .option("--seed <n>", "of prompts, arrivals and dummy weights", wholeNumber)
    .option("--out <folder>", "folder that holds the runs", "runs");
}

/** File or profile, with the flags over it. @throws usage, config-invalid, file-not-found */
export function draftOf(file: string | undefined, options: LabOptions): LabDraft {
  const overrides: LabOverrides = {
    model: options.model,
    formats: options.formats,
    target: options.target ?? (options.baseUrl === undefined ? undefined : "endpoint"),
    baseUrl: options.baseUrl,
    vllmCommand: options.vllmCommand,
    tensorParallelSize: options.tensorParallelSize,
    lmHead: options.lmHead,
    kvCacheDtype: options.kvCacheDtype,
    threads: options.threads,
    seed: options.seed,
    repeats: options.repeats,
  };
  const draft =
    file === undefined
      ? profileByName(options.profile ?? "quick").draft
      : readLabFile(file, options.profile);
  return applyOverrides(draft, overrides);
}

/** The draft of a lab that runs on this machine: load generator and embedded server share its cores. */
export function localDraftOf(file: string | undefined, options: LabOptions): LabDraft {
  const draft = draftOf(file, options);
  if (draft.target !== "embedded" || draft.threads !== undefined) return draft;
  return { ...draft, threads: threadsBesideLoad(defaultThreads()) };
}

/** Whether anything was said about what to measure; where runs lie and how they end is not that. */
export function saysAnything(file: string | undefined, options: LabOptions): boolean {
  const { profile, model, formats: names, target, baseUrl, threads, seed, repeats } = options;
  const { vllmCommand, tensorParallelSize, kvCacheDtype, lmHead } = options;
  const said = [file, profile, model, names, target, baseUrl, threads, seed, repeats];
  return [...said, vllmCommand, tensorParallelSize, kvCacheDtype, lmHead].some(
    (value) => value !== undefined,
  );
}
