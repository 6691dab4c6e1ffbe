/** Reads lab.yaml: short forms spelled out, every problem named with its line. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { formats } from "../formats/registry.ts";
import { formatEntrySchema, type LabConfig, labConfigSchema } from "./config.ts";
import { type LabDraft, profileByName } from "./profiles.ts";
import { parseYaml } from "./yaml-file.ts";

const formatNames = formats.map((format) => format.name);
const formatName = z.enum(formatNames, {
  error: (issue) =>
    `there is no format ${JSON.stringify(issue.input)}; the formats are ${formatNames.join(", ")}`,
});

/** `bf16` and `awq: { checkpoint, kernel, label }` to the long form; anything else is left to fail. */
function spellOut(item: unknown): unknown {
  if (typeof item === "string") return { label: item, format: item };
  if (typeof item !== "object" || item === null || "format" in item) return item;
  const [entry, ...others] = Object.entries(item);
  if (entry === undefined || others.length > 0) return item;
  const [format, settings] = entry;
  return { label: format, format, ...(typeof settings === "object" ? settings : { settings }) };
}

const formatItem = z.preprocess(spellOut, formatEntrySchema.extend({ format: formatName }));

const { experiments } = labConfigSchema.shape;

/** Each experiment's settings, all optional: what is not given comes from the profile. */
const experimentsPatch = z.strictObject({
  throughput: experiments.shape.throughput.unwrap().partial().nullable().optional(),
  latency: experiments.shape.latency.unwrap().partial().nullable().optional(),
  serving: experiments.shape.serving.unwrap().partial().nullable().optional(),
  accuracy: experiments.shape.accuracy.unwrap().partial().nullable().optional(),
  divergence: experiments.shape.divergence.unwrap().partial().nullable().optional(),
  memory: experiments.shape.memory.unwrap().nullable().optional(),
});

const labFileSchema = labConfigSchema.partial().extend({
  profile: z.enum(["quick", "standard", "full"]).optional(),
  formats: z
    .array(formatItem)
    .min(1)
    .refine((items) => new Set(items.map((item) => item.label)).size === items.length, {
      error: "two formats have the same label; give one of them a `label`",
    })
    .optional(),
  experiments: experimentsPatch.optional(),
});
type LabFile = z.infer<typeof labFileSchema>;

/** @param profile over the file's own. @throws file-not-found, config-invalid */
export function readLabFile(path: string, profile?: string): LabDraft {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuantlabError("file-not-found", `${path} cannot be read`, {
      hint: "examples/lab.yaml is one to start from",
      cause,
    });
  }
  return parseLabFile(text, path, profile);
}

/** @param path for messages. @throws config-invalid with "path:line" for each problem */
export function parseLabFile(text: string, path: string, profile?: string): LabDraft {
  const file = parseYaml(text, path, labFileSchema, "the keys are those of examples/lab.yaml");
  return merge(file, profile ?? file.profile ?? "standard");
}

/** Only the experiments that the file names are run; memory costs nothing and always is. */
function merge(file: LabFile, profile: string): LabDraft {
  const { draft } = profileByName(profile);
  return {
    ...draft,
    ...file,
    profile: draft.profile,
    model: file.model ?? draft.model,
    target: file.target ?? draft.target,
    formats: file.formats ?? draft.formats,
    repeats: file.repeats ?? draft.repeats,
    seed: file.seed ?? draft.seed,
    maxModelLen: file.maxModelLen ?? draft.maxModelLen,
    maxNumSeqs: file.maxNumSeqs ?? draft.maxNumSeqs,
    experiments: mergeExperiments(draft.experiments, file.experiments),
  };
}

function mergeExperiments(
  defaults: LabConfig["experiments"],
  patch: LabFile["experiments"],
): LabConfig["experiments"] {
  if (patch === undefined) return defaults;
  const { throughput, latency, serving, accuracy, divergence } = defaults;
  return experiments.parse({
    throughput: patch.throughput === undefined ? undefined : { ...throughput, ...patch.throughput },
    latency: patch.latency === undefined ? undefined : { ...latency, ...patch.latency },
    serving: patch.serving === undefined ? undefined : { ...serving, ...patch.serving },
    accuracy: patch.accuracy === undefined ? undefined : { ...accuracy, ...patch.accuracy },
    divergence: patch.divergence === undefined ? undefined : { ...divergence, ...patch.divergence },
    memory: {},
  });
}
