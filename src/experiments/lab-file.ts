/** Reads lab.yaml: short forms spelled out, every problem named with its line. */
import { readFileSync } from "node:fs";
import { isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import { formats } from "../formats/registry.ts";
import { formatEntrySchema, type LabConfig, labConfigSchema } from "./config.ts";
import { type LabDraft, profileByName } from "./profiles.ts";

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
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const line = lines.linePos(broken.pos[0]).line;
    throw new QuantlabError("config-invalid", `${path}:${line}: ${broken.message.split("\n")[0]}`, {
      cause: broken,
    });
  }
  const parsed = labFileSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return merge(parsed.data, profile ?? parsed.data.profile ?? "standard");
  const problems = parsed.error.issues.map(withKeys).map((issue) => {
    const node = nearestNode(document, issue.path);
    const line = node === undefined ? 1 : lines.linePos(node).line;
    return `${path}:${line}: ${issue.path.join(".") || "the file"}: ${issue.message}`;
  });
  throw new QuantlabError("config-invalid", [...new Set(problems)].join("\n"), {
    hint: "the keys are those of examples/lab.yaml",
    cause: parsed.error,
  });
}

interface FlatIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A misspelled key is the place to point at, not the map that holds it. */
function withKeys(issue: z.core.$ZodIssue): FlatIssue {
  const key = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  return { path: [...issue.path, ...key], message: issue.message };
}

/** Offset of the node at `path`, or of the nearest one above it that exists. */
function nearestNode(
  document: ReturnType<typeof parseDocument>,
  path: readonly PropertyKey[],
): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
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
  const { throughput, latency, serving, accuracy } = defaults;
  return experiments.parse({
    throughput: patch.throughput === undefined ? undefined : { ...throughput, ...patch.throughput },
    latency: patch.latency === undefined ? undefined : { ...latency, ...patch.latency },
    serving: patch.serving === undefined ? undefined : { ...serving, ...patch.serving },
    accuracy: patch.accuracy === undefined ? undefined : { ...accuracy, ...patch.accuracy },
    memory: {},
  });
}
