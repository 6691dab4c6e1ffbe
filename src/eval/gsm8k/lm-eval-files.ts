/** Results and samples in the layout of lm-evaluation-harness, so that its readers and ours can be laid side by side. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ScoredDoc } from "./evaluate.ts";
import { type FilterName, filterNames, filters } from "./extract.ts";
import { taskHash } from "./hashes.ts";
import { type PromptOptions, stopStrings } from "./prompt.ts";
import { pythonJson } from "./python-json.ts";
import { meanScore } from "./score.ts";

/** Version of the harness's `gsm8k` task that all this follows. */
export const taskVersion = 3;

/** An evaluation as it is written. */
export interface EvalRun {
  readonly scored: readonly ScoredDoc[];
  readonly options: PromptOptions;
  /** Questions of the whole file. */
  readonly available: number;
  readonly limit: number | undefined;
  readonly maxGenToks: number;
  readonly modelName: string;
  readonly baseUrl: string;
  readonly concurrency: number;
  readonly startedWallMs: number;
  readonly durationMs: number;
  /** What the harness has no place for: format, intervals, digests of the data. */
  readonly quantlab: Readonly<Record<string, unknown>>;
}

export interface WrittenFiles {
  readonly results: string;
  /** undefined where samples were not asked for. */
  readonly samples: string | undefined;
}

/** Writes below `folder`/<model>/, as the harness does. */
export async function writeLmEvalFiles(
  folder: string,
  run: EvalRun,
  logSamples: boolean,
): Promise<WrittenFiles> {
  const target = join(folder, sanitizedModelName(run.modelName));
  await mkdir(target, { recursive: true });
  const time = fileTime(run.startedWallMs + run.durationMs);
  const results = join(target, `results_${time}.json`);
  const samples = logSamples ? join(target, `samples_gsm8k_${time}.jsonl`) : undefined;
  await writeFile(results, `${JSON.stringify(resultsDocument(run, logSamples), null, 2)}\n`);
  if (samples !== undefined) await writeFile(samples, sampleLines(run.scored));
  return { results, samples };
}

/** Characters that cannot stand in file names, by runs, as the harness replaces them. */
export function sanitizedModelName(name: string): string {
  return name.replace(/["<>:/|\\?*[\]]+/g, "__");
}

/** Local ISO time with six decimals, colons turned into dashes. */
function fileTime(wallMs: number): string {
  const date = new Date(wallMs);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  const micros = String(Math.floor((wallMs % 1000) * 1000)).padStart(6, "0");
  return `${local.toISOString().slice(0, 19).replaceAll(":", "-")}.${micros}`;
}

export function resultsDocument(run: EvalRun, logSamples: boolean): Record<string, unknown> {
  const { scored, options, modelName } = run;
  const isChat = options.style !== "plain";
  return {
    results: { gsm8k: { name: "gsm8k", alias: "gsm8k", sample_len: scored.length, ...means(run) } },
    group_subtasks: {},
    configs: { gsm8k: taskConfig(run) },
    versions: { gsm8k: taskVersion },
    "n-shot": { gsm8k: options.numFewshot },
    higher_is_better: { gsm8k: { exact_match: true } },
    "n-samples": { gsm8k: { original: run.available, effective: scored.length } },
    config: {
      model: isChat ? "local-chat-completions" : "local-completions",
      model_args: {
        model: modelName,
        base_url: run.baseUrl,
        tokenizer_backend: null,
        num_concurrent: run.concurrency,
      },
      batch_size: 1,
      limit: run.limit ?? null,
      gen_kwargs: { max_gen_toks: run.maxGenToks },
      fewshot_seed: options.fewshotSeed,
    },
    date: run.startedWallMs / 1e3,
    ...(logSamples ? { task_hashes: { gsm8k: taskHash(scored.map(({ hashes }) => hashes)) } } : {}),
    model_source: isChat ? "local-chat-completions" : "local-completions",
    model_name: modelName,
    model_name_sanitized: sanitizedModelName(modelName),
    system_instruction: options.systemInstruction ?? null,
    fewshot_as_multiturn: options.style === "chat-multiturn",
    total_evaluation_time_seconds: String(run.durationMs / 1e3),
    quantlab: run.quantlab,
  };
}

function means({ scored }: EvalRun): Record<string, unknown> {
  const entries = filterNames.flatMap((name) => {
    const { mean, standardError } = meanScore(scored.map(({ scores }) => scores[name]));
    return [
      [`exact_match,${name}`, mean],
      [`exact_match_stderr,${name}`, standardError ?? "N/A"],
    ];
  });
  return Object.fromEntries(entries);
}

function taskConfig({ options }: EvalRun): Record<string, unknown> {
  return {
    task: "gsm8k",
    output_type: "generate_until",
    doc_to_text: "Question: {{question}}\nAnswer:",
    doc_to_target: "{{answer}}",
    target_delimiter: " ",
    fewshot_delimiter: "\n\n",
    num_fewshot: options.numFewshot,
    generation_kwargs: generationKwargs,
    filter_list: filters.map(({ name, pattern, pick }) => ({
      name,
      filter: [
        {
          function: "regex",
          regex_pattern: pattern.source,
          ...(pick === "last" ? { group_select: -1 } : {}),
        },
        { function: "take_first" },
      ],
    })),
    metric_list: [
      { metric: "exact_match", aggregation: "mean", higher_is_better: true, ignore_case: true },
    ],
    repeats: 1,
    metadata: { version: taskVersion },
  };
}

const generationKwargs = { until: stopStrings, do_sample: false, temperature: 0 };

/** All questions under the first filter, then all under the second. */
export function sampleLines(scored: readonly ScoredDoc[]): string {
  return filterNames.flatMap((name) => scored.map((doc) => `${sampleLine(doc, name)}\n`)).join("");
}

function sampleLine(scored: ScoredDoc, filter: FilterName): string {
  const { prompt, hashes, response, answers, scores } = scored;
  const row = pythonJson({
    doc_id: prompt.docId,
    doc: { question: prompt.doc.question, answer: prompt.doc.answer },
    target: prompt.target,
    arguments: {
      gen_args_0: {
        arg_0: prompt.messages === undefined ? prompt.text : [prompt.text],
        arg_1: generationKwargs,
      },
    },
    resps: [[response.text]],
    filtered_resps: [answers[filter]],
    filter,
    metrics: ["exact_match"],
    doc_hash: hashes.doc,
    prompt_hash: hashes.prompt,
    target_hash: hashes.target,
  });
  // Python's floats: JSON of ours would write 0 and 1.
  return `${row.replace('"temperature": 0}', '"temperature": 0.0}').slice(0, -1)}, "exact_match": ${scores[filter].toFixed(1)}}`;
}
