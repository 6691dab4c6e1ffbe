/** slurm.yaml: which GPU types a cluster has, how a job asks for one, and what it sets up first. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";
import { parseYaml } from "../../experiments/yaml-file.ts";
import { vllmOptionsSchema } from "../../targets/vllm/options.ts";

/** Names become job names, folder names and arguments. */
const safeName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "letters, digits, dots, dashes and underscores only");

/** Slurm's own spellings of a time limit. */
const timeLimit = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine((text) => /^(\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d+(:\d\d){0,2})$/.test(text), {
    error: 'write a time limit as Slurm does: minutes, "02:00:00" or "1-12:00:00", in quotes',
  });

/** What the lab gives itself; given twice, one would lose silently. */
const ownSbatch =
  /^--?(array|job-name|J|output|o|error|e|parsable|export|open-mode|requeue|no-requeue|dependency|wait|W|a)(=|$)/;

const jobSchema = z.strictObject({
  partition: safeName.optional(),
  /** "gpu:h100:1"; one cell needs as many GPUs as its model is spread over. */
  gres: z.string().min(1).optional(),
  constraint: z.string().min(1).optional(),
  account: safeName.optional(),
  qos: safeName.optional(),
  time: timeLimit.optional(),
  cpus: z.number().int().positive().optional(),
  mem: z
    .string()
    .regex(/^\d+[KMGT]?$/i, 'memory as Slurm writes it: "64G"')
    .optional(),
  nodes: z.number().int().positive().optional(),
  /** Tasks of this GPU type that may run at once. */
  maxParallel: z.number().int().positive().optional(),
  /** Further words for sbatch: ["--exclusive", "--nodelist=n7"]. */
  sbatch: z
    .array(
      z.string().refine((word) => !ownSbatch.test(word), {
        error: "this option is the lab's own: names, logs, arrays and requeueing are set by it",
      }),
    )
    .optional(),
});

const gpuTypeSchema = jobSchema.extend({
  /** Row labels of lab.yaml that are measured here; all of them when left out. */
  formats: z.array(z.string()).min(1).optional(),
  /** Over lab.yaml's `vllm`, for this GPU type. */
  vllm: vllmOptionsSchema.optional(),
});

export const slurmFileSchema = z.strictObject({
  gpuTypes: z
    .record(safeName, gpuTypeSchema)
    .refine((types) => Object.keys(types).length > 0, { error: "name at least one GPU type" }),
  /** Settings of every GPU type that does not say otherwise. */
  defaults: jobSchema.optional(),
  /** What one job measures: a format with all its experiments on one server, or one experiment. */
  tasksPer: z.enum(["format", "experiment"]).default("format"),
  /** Shell lines that a job runs first: modules, a virtual environment, a scratch folder. */
  setup: z.string().optional(),
  /** Environment of the job, which gets nothing of the submitting shell's. */
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.union([z.string(), z.number()]))
    .optional(),
  /** A file of mode 0600 with `export NAME=value` lines, for tokens: read in the job, never copied. */
  envFile: z.string().optional(),
  /** How a job starts quantlab; this very program when left out. */
  quantlab: z.array(z.string().min(1)).min(1).optional(),
});

export type SlurmFile = z.infer<typeof slurmFileSchema>;
export type GpuTypeSettings = z.infer<typeof gpuTypeSchema>;

/** @throws file-not-found, config-invalid */
export function readSlurmFile(path: string): SlurmFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuantlabError("file-not-found", `${path} cannot be read`, {
      hint: "examples/slurm.yaml is one to start from",
      cause,
    });
  }
  return parseSlurmFile(text, path);
}

/** @throws config-invalid with "path:line" for each problem */
export function parseSlurmFile(text: string, path: string): SlurmFile {
  return parseYaml(text, path, slurmFileSchema, "the keys are those of examples/slurm.yaml");
}

/** Settings of a GPU type with the defaults filled in. */
export function settingsOf(file: SlurmFile, gpuType: string): GpuTypeSettings {
  const own = file.gpuTypes[gpuType];
  if (own === undefined) throw new Error(`slurm.yaml has no GPU type "${gpuType}"`);
  return { ...file.defaults, ...own };
}
