/** What lab.yaml may say about vLLM itself (`vllm:`); every key has a meaning of its own in vLLM. */
import { z } from "zod";

const flagName = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/, "write a flag without its dashes: max-num-batched-tokens");

/** Flags that the lab sets itself: given twice, one of them would lose silently. */
const ownFlags: Readonly<Record<string, string>> = {
  host: "the lab measures on the loopback interface",
  port: "the lab takes a free one",
  "served-model-name": "the lab names the model",
  "max-model-len": "set maxModelLen of lab.yaml",
  "max-num-seqs": "set maxNumSeqs of lab.yaml",
  seed: "set seed of lab.yaml",
  quantization: "choose the format, and its kernel where there are two",
  dtype: "set vllm.dtype",
  "tensor-parallel-size": "set vllm.tensorParallelSize",
  "pipeline-parallel-size": "set vllm.pipelineParallelSize",
  "gpu-memory-utilization": "set vllm.gpuMemoryUtilization",
};

const extraArgs = z
  .record(flagName, z.union([z.string(), z.number(), z.boolean()]))
  .superRefine((flags, context) => {
    for (const flag of Object.keys(flags)) {
      const instead = ownFlags[flag];
      if (instead === undefined) continue;
      context.addIssue({ code: "custom", message: `--${flag} is the lab's own: ${instead}` });
    }
  });

export const vllmOptionsSchema = z.strictObject({
  /** The program and its first words: ["vllm"], ["apptainer", "exec", "--nv", "vllm.sif", "vllm"]. */
  command: z.array(z.string().min(1)).min(1).optional(),
  /** GPUs that share each layer; vLLM's own distributed engine. */
  tensorParallelSize: z.number().int().positive().optional(),
  /** Groups of layers on different GPUs or nodes. */
  pipelineParallelSize: z.number().int().positive().optional(),
  /** Share of each GPU's total memory that vLLM reserves. */
  gpuMemoryUtilization: z.number().positive().max(1).optional(),
  dtype: z.enum(["auto", "half", "float16", "bfloat16", "float", "float32"]).optional(),
  /** Further flags of `vllm serve` by name: {"enforce-eager": true, "kv-cache-dtype": "fp8"}. */
  extraArgs: extraArgs.optional(),
  /** Environment of the server, over ours. */
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
  /** How long a server may take to answer; a large model on a network file system takes 20 minutes. */
  startTimeoutSeconds: z.number().positive().optional(),
});

export type VllmOptions = z.infer<typeof vllmOptionsSchema>;
